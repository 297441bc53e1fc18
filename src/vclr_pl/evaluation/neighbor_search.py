"""Exact nearest neighbors by cosine, in bounded memory; of equally near ones the first stands first.

Legend: G gallery rows, Q query rows, g q rows of a block, F features, K neighbors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Cosines are compared as whole multiples of this: far finer than float32 features tell apart, far coarser than the noise of a
# float64 product, whose last bits depend on the place in a matrix. Equal features are therefore equally near, wherever they stand.
COSINE_STEP = 1e-10
QUERY_ROWS_PER_BLOCK = 512
GALLERY_ROWS_PER_BLOCK = 16384
EXCLUDED = torch.iinfo(torch.int64).min


@dataclass(frozen=True)
class Neighbors:
    """The nearest gallery rows of each query, nearest first."""

    index: Tensor  # [Q, K] long, rows of the gallery
    similarity: Tensor  # [Q, K] float64, cosine


def nearest_neighbors(*, gallery_GF: Tensor, query_QF: Tensor | None, neighbors: int) -> Neighbors:
    """The `neighbors` nearest rows of the gallery, or as many as there are.

    Without queries each gallery row asks for the nearest of the others (leave-one-out). A row of zeros has cosine 0 to all.
    """
    leave_one_out = query_QF is None
    asking_QF = gallery_GF if query_QF is None else query_QF
    found = min(neighbors, len(gallery_GF) - int(leave_one_out))
    keys = []
    for start in range(0, len(asking_QF), QUERY_ROWS_PER_BLOCK):
        block_qF = _unit_float64(asking_QF[start : start + QUERY_ROWS_PER_BLOCK])
        own_q = torch.arange(start, start + len(block_qF)) if leave_one_out else None
        keys.append(_largest_keys(gallery_GF, block_qF, found, own_q))
    key_QK = torch.cat(keys)
    return Neighbors(
        index=len(gallery_GF) - 1 - torch.remainder(key_QK, len(gallery_GF)),
        similarity=torch.div(key_QK, len(gallery_GF), rounding_mode="floor").double() * COSINE_STEP,
    )


def _largest_keys(gallery_GF: Tensor, query_qF: Tensor, found: int, own_q: Tensor | None) -> Tensor:
    """`[q, found]` keys, largest first. A key is one integer, steps of cosine x G + (G - 1 - row): no two are equal."""
    best_qK = query_qF.new_empty((len(query_qF), 0), dtype=torch.int64)
    for start in range(0, len(gallery_GF), GALLERY_ROWS_PER_BLOCK):
        block_gF = _unit_float64(gallery_GF[start : start + GALLERY_ROWS_PER_BLOCK])
        row_g = torch.arange(start, start + len(block_gF))
        steps_qg = torch.round(query_qF @ block_gF.T / COSINE_STEP).long()
        key_qg = steps_qg * len(gallery_GF) + (len(gallery_GF) - 1 - row_g)
        if own_q is not None:
            key_qg[own_q[:, None] == row_g] = EXCLUDED
        candidates = torch.cat((best_qK, key_qg), dim=1)
        best_qK = candidates.topk(min(found, candidates.shape[1]), dim=1, sorted=True).values
    return best_qK


def _unit_float64(features: Tensor) -> Tensor:
    return torch.nn.functional.normalize(features.double(), dim=1)
