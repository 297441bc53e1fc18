"""Similarities, norms, means and moving averages of features.

Legend: B videos, K queue rows, D projection.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """`values` in float32, or as they are where they are float32 or float64 already."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def unit_norm(features: Tensor, *, dim: int = -1) -> Tensor:
    """Features scaled to unit L2 norm along `dim`, in float32 or wider."""
    return torch.nn.functional.normalize(at_least_float32(features), dim=dim)


def segment_consensus(features_BSF: Tensor) -> Tensor:
    """`[B, S, F]` to `[B, F]`."""
    return features_BSF.mean(1)


@torch.no_grad()
def ema_update(own: Sequence[Tensor], other: Sequence[Tensor], *, momentum: float) -> None:
    """own <- momentum x own + (1 - momentum) x other, element by element (MoCo, eq. 2)."""
    torch._foreach_lerp_(list(own), list(other), 1.0 - momentum)


SAMPLED_ROWS = 4096  # of a longer queue, evenly spaced: the mean over them costs nothing beside the step


@torch.no_grad()
def contrast_metrics(*, query_BD: Tensor, key_BD: Tensor, queue_KD: Tensor) -> dict[str, Tensor]:
    """Mean cosine of positives, of other videos in the batch and of the queue, and top-1 within the batch in percent.

    Of a queue longer than `SAMPLED_ROWS`, that many evenly spaced rows stand for all.

    A positive similarity no higher than that of the batch's other videos is the collapse alarm: the loss can still look
    good then, because the stale queue alone looks different.
    """
    query_BD, key_BD, queue_KD = (at_least_float32(features) for features in (query_BD.detach(), key_BD, queue_KD))
    with torch.autocast(query_BD.device.type, enabled=False):  # bfloat16 cannot represent the difference of 0.79 and 0.80
        return _contrast_metrics(query_BD=query_BD, key_BD=key_BD, queue_KD=queue_KD)


def _contrast_metrics(*, query_BD: Tensor, key_BD: Tensor, queue_KD: Tensor) -> dict[str, Tensor]:
    between_BB = query_BD @ key_BD.t()
    own_B = between_BB.diagonal()
    sampled_KD = queue_KD[:: -(-len(queue_KD) // SAMPLED_ROWS)]
    others = max(len(own_B) * (len(own_B) - 1), 1)
    return {
        "positive_similarity": own_B.mean(),
        "batch_similarity": (between_BB.sum() - own_B.sum()) / others,
        "queue_similarity": query_BD.mean(0) @ sampled_KD.mean(0),
        "batch_accuracy": 100.0 * (between_BB.argmax(1) == torch.arange(len(own_B), device=own_B.device)).float().mean(),
    }


@torch.no_grad()
def feature_spread(features_BF: Tensor) -> Tensor:
    """Root of the summed variance of unit-norm features over the batch: 0 when all are one vector, near 1 when spread."""
    return unit_norm(features_BF.detach()).var(0, unbiased=False).sum().sqrt()
