"""Similarity of features and contrast: norms, means, moving averages, and InfoNCE (van den Oord et al. 2018, eq. 4).

The negatives of the loss are the rows of a queue, or explicit ones such as other frames of the same video.

Legend: B videos, S segments, F features, N queries, K negatives (queue rows), D projection, V positives of each query.

`pool_negatives` computes

logsumexp_k(q . n_k / t)   and its gradient   sum_k softmax_k n_k / t

Both come from one pass (a running maximum, as in Milakov and Gimelshein 2018): the gradient is known before backward asks for it, so the
N x K logits are never stored, and a block's logits stay in the cache from the product to the sum.

The published code stacks the V positives into V N rows and repeats the K negatives for each. The negatives depend on the
query alone, so their logits are computed once and broadcast: the same numbers, a V-th of the product and of its memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Bytes of a block's float32 logits: on a CPU they stay in the cache; a GPU computes a queue of 131,072 rows for 256 queries in one block.
CPU_BLOCK_BYTES, GPU_BLOCK_BYTES = 2**20, 2**27
FLOAT16_ROWS = 2**15  # a sum of so many weights of at most 1 fits float16
FAR_BELOW = -1e30  # stands for the maximum of nothing: finite, so that a block that is masked whole gives no nan
SAMPLED_ROWS = 4096  # of a longer queue, evenly spaced: the mean over them costs nothing beside the step


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


@torch.no_grad()
def feature_spread(features_BF: Tensor) -> Tensor:
    """Root of the summed variance of unit-norm features over the batch: 0 when all are one vector, near 1 when spread."""
    return unit_norm(features_BF.detach()).var(0, unbiased=False).sum().sqrt()


@dataclass(frozen=True)
class NegativePool:
    """Of each query's negatives, over the temperature: `logsumexp` [N] with gradient, `maximum` [N] without."""

    logsumexp: Tensor
    maximum: Tensor


def pool_negatives(*, query_ND: Tensor, negative_KD: Tensor, temperature: float, masked_NK: Tensor | None = None) -> NegativePool:
    """Pool the logits of unit-norm features. Products run in the autocast dtype, sums in float32 or wider.

    `masked_NK` is True where a negative must not count. Gradients reach the queries alone: the negatives are a queue's rows.
    """
    pooled = _PoolNegatives.apply(query_ND, negative_KD, temperature, masked_NK)
    return NegativePool(logsumexp=pooled[0], maximum=pooled[1])


class _PoolNegatives(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query_ND: Tensor, negative_KD: Tensor, temperature: float, masked_NK: Tensor | None) -> tuple[Tensor, Tensor]:
        product_dtype = _product_dtype(query_ND)
        scaled_ND = (query_ND / temperature).to(product_dtype)
        rows = block_rows(queries=len(query_ND), device=query_ND.device.type, product_dtype=product_dtype)
        maximum_N = query_ND.new_full(query_ND.shape[:1], FAR_BELOW)
        total_N, weighted_ND = torch.zeros_like(maximum_N), torch.zeros_like(query_ND)
        with torch.autocast(query_ND.device.type, enabled=False):
            for first in range(0, len(negative_KD), rows):
                block_kD = negative_KD[first : first + rows].to(product_dtype)
                logits_Nk = torch.mm(scaled_ND, block_kD.t()).to(query_ND.dtype)
                if masked_NK is not None:
                    logits_Nk.masked_fill_(masked_NK[:, first : first + rows], float("-inf"))
                higher_N = torch.maximum(maximum_N, logits_Nk.amax(1))
                kept_N = torch.exp(maximum_N - higher_N)
                weight_Nk = logits_Nk.sub_(higher_N.unsqueeze(1)).exp_()
                total_N = total_N * kept_N + weight_Nk.sum(1)
                block_ND = torch.mm(weight_Nk.to(product_dtype), block_kD).to(query_ND.dtype)
                weighted_ND = weighted_ND * kept_N.unsqueeze(1) + block_ND
                maximum_N = higher_N
            gradient_ND = weighted_ND / (temperature * total_N.clamp_min(torch.finfo(total_N.dtype).tiny)).unsqueeze(1)
        ctx.save_for_backward(gradient_ND)
        ctx.mark_non_differentiable(maximum_N)
        return maximum_N + torch.log(total_N), maximum_N

    @staticmethod
    def backward(ctx: Any, upstream_N: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient_ND,) = ctx.saved_tensors
        return upstream_N.unsqueeze(1) * gradient_ND, None, None, None


def block_rows(*, queries: int, device: str, product_dtype: torch.dtype) -> int:
    """Rows of the queue that are multiplied at once, by the bytes of their float32 logits."""
    rows = max(1, (CPU_BLOCK_BYTES if device == "cpu" else GPU_BLOCK_BYTES) // (4 * max(1, queries)))
    return min(rows, FLOAT16_ROWS) if product_dtype is torch.float16 else rows


def _product_dtype(query_ND: Tensor) -> torch.dtype:
    kind = query_ND.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query_ND.dtype


@dataclass(frozen=True)
class ContrastLogits:
    """Similarities over the temperature: `positive` [V, N], `negative` [N, K] or, where each positive has its own, [V, N, K]."""

    positive: Tensor
    negative: Tensor

    def stacked(self) -> Tensor:
        """The published layout `[V N, 1 + K]`: the positives' rows one after another, each positive in column 0."""
        negative_VNK = self.negative.expand(len(self.positive), *self.negative.shape[-2:])
        return torch.cat([self.positive.unsqueeze(-1).to(negative_VNK.dtype), negative_VNK], dim=-1).flatten(0, 1)


def positive_logits(*, query_ND: Tensor, positive_VND: Tensor, temperature: float) -> Tensor:
    """`[V, N]`, in the features' own precision."""
    return (query_ND * positive_VND).sum(-1) / temperature


def contrast_logits(
    *, query_ND: Tensor, positive_VND: Tensor, negative_KD: Tensor, temperature: float, masked_NK: Tensor | None = None
) -> ContrastLogits:
    """All logits of unit-norm features at once; for long queues see `pool_negatives`.

    `masked_NK` is True where a negative must not count (for instance a queue row of the query's own video).
    """
    negative_NK = torch.mm(query_ND / temperature, negative_KD.t())
    if masked_NK is not None:
        negative_NK = negative_NK.masked_fill(masked_NK, float("-inf"))
    positive_VN = positive_logits(query_ND=query_ND, positive_VND=positive_VND, temperature=temperature)
    return ContrastLogits(positive=positive_VN, negative=negative_NK)


def info_nce(*, positive_VN: Tensor, negative_logsumexp_N: Tensor) -> Tensor:
    """Mean over V and N of -log(exp(p) / (exp(p) + sum_k exp(n_k))), in float32 or wider.

    `negative_logsumexp_N` may also be `[V, N]`, where each positive has negatives of its own.
    """
    gap_VN = at_least_float32(negative_logsumexp_N) - at_least_float32(positive_VN)
    return torch.nn.functional.softplus(gap_VN, threshold=30.0).mean()


@torch.no_grad()
def top1_accuracy(positive_VN: Tensor, highest_negative_N: Tensor) -> Tensor:
    """Share of positives above every negative, in percent; a tie counts as wrong."""
    return 100.0 * (positive_VN > highest_negative_N).float().mean()


@torch.no_grad()
def contrast_metrics(*, query_BD: Tensor, key_BD: Tensor, queue_KD: Tensor | None = None) -> dict[str, Tensor]:
    """Mean cosine of positives, of other videos in the batch and of the queue, if any, and top-1 within the batch in percent.

    Of a queue longer than `SAMPLED_ROWS`, that many evenly spaced rows stand for all.

    A positive similarity no higher than that of the batch's other videos is the collapse alarm: the loss can still look
    good then, because the stale queue alone looks different.
    """
    query_BD, key_BD = at_least_float32(query_BD.detach()), at_least_float32(key_BD)
    with torch.autocast(query_BD.device.type, enabled=False):  # bfloat16 cannot represent the difference of 0.79 and 0.80
        return _contrast_metrics(query_BD=query_BD, key_BD=key_BD, queue_KD=None if queue_KD is None else at_least_float32(queue_KD))


def _contrast_metrics(*, query_BD: Tensor, key_BD: Tensor, queue_KD: Tensor | None) -> dict[str, Tensor]:
    between_BB = query_BD @ key_BD.t()
    own_B = between_BB.diagonal()
    others = max(len(own_B) * (len(own_B) - 1), 1)
    sampled_KD = None if queue_KD is None else queue_KD[:: -(-len(queue_KD) // SAMPLED_ROWS)]
    return {
        "positive_similarity": own_B.mean(),
        "batch_similarity": (between_BB.sum() - own_B.sum()) / others,
        **({} if sampled_KD is None else {"queue_similarity": query_BD.mean(0) @ sampled_KD.mean(0)}),
        "batch_accuracy": 100.0 * (between_BB.argmax(1) == torch.arange(len(own_B), device=own_B.device)).float().mean(),
    }


@torch.no_grad()
def rank_me(features_NF: Tensor) -> float:
    """RankMe (Garrido et al. 2023, eq. 4): exp of the entropy of the normalized singular values, from 1 to F.

    It is the number of dimensions that features use: 1 if all are multiples of one vector, F if they are spread evenly.
    """
    singular_F = (
        torch.linalg.svdvals(at_least_float32(features_NF)) if len(features_NF) < features_NF.shape[1] else _gram_singular(features_NF)
    )
    share_F = singular_F / singular_F.sum().clamp(min=torch.finfo(singular_F.dtype).tiny) + 1e-7
    return float(torch.exp(-(share_F * share_F.log()).sum()))


def _gram_singular(features_NF: Tensor) -> Tensor:
    """Singular values by the eigenvalues of `[F, F]`, in float64: far cheaper for many rows."""
    width = features_NF.shape[1]
    gram_FF = torch.zeros(width, width, dtype=torch.float64, device=features_NF.device)
    for rows_nF in features_NF.split(SAMPLED_ROWS):  # a whole table in float64 can be larger than the memory
        gram_FF += rows_nF.double().T @ rows_nF.double()
    singular_F: Tensor = torch.linalg.eigvalsh(gram_FF).clamp(min=0).sqrt()
    return singular_F
