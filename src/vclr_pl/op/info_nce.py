"""InfoNCE (van den Oord et al. 2018, eq. 4) of queries against their positives and one shared set of negatives.

Legend: V positives of each query, N queries, K negatives, D projection.

The published code stacks the V positives into V N rows and repeats the K negatives for each. The negatives depend on the
query alone, so their logits are computed once and broadcast: the same numbers, a V-th of the product and of its memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vclr_pl.op.precision import at_least_float32


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
    """All logits of unit-norm features at once; for long queues see `negative_pool`.

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
def share_above(positive_VN: Tensor, highest_negative_N: Tensor) -> Tensor:
    """Share of positives that beat every negative, in percent (a tie is a miss)."""
    return 100.0 * (positive_VN > highest_negative_N).float().mean()
