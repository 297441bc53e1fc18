"""Pairs of videos whose features say that one may be a copy of the other.

Legend: G rows of a collection, g rows of a block, V views of a video (the first are its whole frames), F features of a view, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vclr_pl.evaluation.neighbor_search import COSINE_STEP
from vclr_pl.types import InputError

ROWS_PER_BLOCK = 1024
VIDEOS_AT_ZERO = 10  # the mean of a small collection is uncertain: it counts as if this many features of zero were in it


@dataclass(frozen=True)
class Pairs:
    """The most similar pairs, in descending order; equally similar pairs in order of their rows."""

    rows: Tensor  # [P, 2] long, the lower row first
    similarity: Tensor  # [P] float64
    found: int  # number of pairs above the similarity, including those beyond the limit
    near: Tensor  # [G] bool, the rows of these pairs


class CopySimilarity:
    """The similarity of two videos of a collection, -1 to 1: the highest cosine of the whole frames of one and any view of the other.

    Features are centered on the mean of the collection, because what all its videos share says nothing about copies.

    Args:
        features_GVF: of all views of all videos.
    """

    def __init__(self, features_GVF: Tensor) -> None:
        self.features_GVF = features_GVF
        whole_GF = features_GVF[:, 0].double()
        self.center_F = whole_GF.sum(dim=0) / (len(whole_GF) + VIDEOS_AT_ZERO)

    def __len__(self) -> int:
        return len(self.features_GVF)

    def of_copies(self, features_NF: Tensor, rows: Tensor) -> Tensor:
        """`[N]` similarity of the whole frames of other videos to the videos in `rows`."""
        return torch.einsum("nf,nvf->nv", self._unit(features_NF), self._unit(self.features_GVF[rows])).amax(dim=1)

    def of_rows(self, first_P: Tensor, second_P: Tensor) -> Tensor:
        """`[P]` similarity of the videos in two lists of rows."""
        forth_P = self.of_copies(self.features_GVF[first_P, 0], second_P)
        return torch.maximum(forth_P, self.of_copies(self.features_GVF[second_P, 0], first_P))

    def nearest(self) -> Tensor:
        """`[G]` similarity of each video to its most similar other one; -1 for a single video."""
        nearest_G = torch.full((len(self),), -1.0, dtype=torch.float64)
        for start, other, found_gg in self.blocks():
            if start == other:
                found_gg.fill_diagonal_(-1.0)
            for begin, highest_g in ((start, found_gg.amax(dim=1)), (other, found_gg.amax(dim=0))):
                part_g = nearest_G[begin : begin + len(highest_g)]
                part_g.copy_(torch.maximum(part_g, highest_g))
        return nearest_G

    def blocks(self) -> Iterator[tuple[int, int, Tensor]]:
        """First row, first column and similarities `[g, g]` of each block on and above the diagonal."""
        for start in range(0, len(self), ROWS_PER_BLOCK):
            first_gVF = self._unit(self.features_GVF[start : start + ROWS_PER_BLOCK])
            for other in range(start, len(self), ROWS_PER_BLOCK):
                second_gVF = first_gVF if start == other else self._unit(self.features_GVF[other : other + ROWS_PER_BLOCK])
                found_gg = torch.full((len(first_gVF), len(second_gVF)), -1.0, dtype=torch.float64)
                for view in range(first_gVF.shape[1]):
                    torch.maximum(found_gg, first_gVF[:, 0] @ second_gVF[:, view].T, out=found_gg)
                    torch.maximum(found_gg, first_gVF[:, view] @ second_gVF[:, 0].T, out=found_gg)
                yield start, other, torch.round(found_gg / COSINE_STEP) * COSINE_STEP

    def _unit(self, features: Tensor) -> Tensor:
        return torch.nn.functional.normalize(features.double() - self.center_F, dim=-1)


def near_duplicates(similarity: CopySimilarity, *, minimum_similarity: float, maximum_pairs: int) -> Pairs:
    """All pairs of at least `minimum_similarity`, the `maximum_pairs` most similar of them.

    Every pair is compared once, in blocks; memory grows with the number of kept pairs.

    Raises:
        InputError: a limit out of range.
    """
    if not -1 <= minimum_similarity <= 1 or maximum_pairs < 1:
        raise InputError(
            expected="minimum_similarity between -1 and 1, and maximum_pairs of 1 or more",
            got=f"minimum_similarity={minimum_similarity}, maximum_pairs={maximum_pairs}",
            hint="Set for instance minimum_similarity=auto maximum_pairs=10000.",
        )
    pairs_P2, similarity_P, count = torch.empty(0, 2, dtype=torch.long), torch.empty(0, dtype=torch.float64), 0
    near_G = torch.zeros(len(similarity), dtype=torch.bool)
    for start, other, found_gg in similarity.blocks():
        near_gg = found_gg >= minimum_similarity - COSINE_STEP / 2
        if start == other:
            near_gg = near_gg.triu(diagonal=1)
        rows = near_gg.nonzero() + torch.tensor([start, other])
        count += len(rows)
        near_G[rows.flatten()] = True
        pairs_P2, similarity_P = torch.cat((pairs_P2, rows)), torch.cat((similarity_P, found_gg[near_gg]))
        if len(similarity_P) > 4 * maximum_pairs:
            pairs_P2, similarity_P = _first(pairs_P2, similarity_P, maximum_pairs, len(similarity))
    pairs_P2, similarity_P = _first(pairs_P2, similarity_P, maximum_pairs, len(similarity))
    return Pairs(rows=pairs_P2, similarity=similarity_P, found=count, near=near_G)


def _first(pairs_P2: Tensor, similarity_P: Tensor, wanted: int, rows: int) -> tuple[Tensor, Tensor]:
    by_row = torch.argsort(pairs_P2[:, 0] * rows + pairs_P2[:, 1])
    pairs_P2, similarity_P = pairs_P2[by_row], similarity_P[by_row]
    order = torch.sort(similarity_P, descending=True, stable=True).indices[:wanted]
    return pairs_P2[order], similarity_P[order]
