"""Pairs of videos whose features say that one may be a copy of the other.

Legend: G rows of a collection, g rows of a block, V views of a video (the first are its whole frames), F features of a view, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vclr_pl.stop import stop_if_requested
from vclr_pl.types import InputError

ROWS_PER_BLOCK = 1024
STEP = 1e-6  # similarities are rounded to multiples of it, far coarser than the noise of float32: equal features are equally similar
NOISE_SHARE = 0.1  # of the mean variance of a direction, added to each variance before whitening
SMALLEST = 1e-30  # for features that are all equal


@dataclass(frozen=True)
class Pairs:
    """The most similar pairs, in descending order; equally similar pairs in order of their rows."""

    rows: Tensor  # [P, 2] long, the lower row first
    similarity: Tensor  # [P] float64
    found: int  # number of pairs above the similarity, including those beyond the limit
    near: Tensor  # [G] bool, the rows of these pairs


class CopySimilarity:
    """The similarity of two videos of a collection, -1 to 1: the highest cosine of the whole frames of one and any view of the other.

    Features are whitened (PCA) over all views of all videos: what the videos have in common says nothing about copies, and directions
    in which they differ little say as much as others. Directions of small variance, which hold noise, count less.

    Args:
        features_GVF: of all views of all videos.
    """

    def __init__(self, features_GVF: Tensor) -> None:
        every_NF = features_GVF.flatten(0, 1).double()
        count = max(1, len(every_NF))  # no video is left if all are blank
        self.center_F = every_NF.sum(dim=0) / count
        every_NF -= self.center_F
        variance_F, direction_FF = torch.linalg.eigh(every_NF.T @ every_NF / count)
        variance_F = variance_F.clamp(min=0)
        floor = NOISE_SHARE * float(variance_F.sum()) / min(count, len(variance_F)) + SMALLEST
        self.whitening_FF = direction_FF / (variance_F + floor).sqrt()
        self.unit_GVF = self._unit(features_GVF).float()

    def __len__(self) -> int:
        return len(self.unit_GVF)

    def of_copies(self, features_NF: Tensor, rows: Tensor) -> Tensor:
        """`[N]` similarity of the whole frames of other videos to the videos in `rows`."""
        return self._highest(self._unit(features_NF).float(), rows)

    def of_rows(self, first_P: Tensor, second_P: Tensor) -> Tensor:
        """`[P]` similarity of the videos in two lists of rows."""
        ways = ((first_P, second_P), (second_P, first_P))
        return torch.stack([self._highest(self.unit_GVF[whole_P, 0], other_P) for whole_P, other_P in ways]).amax(dim=0)

    def _highest(self, unit_NF: Tensor, rows: Tensor) -> Tensor:
        return _rounded(torch.einsum("nf,nvf->nv", unit_NF.double(), self.unit_GVF[rows].double()).amax(dim=1))

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
            first_gVF = self.unit_GVF[start : start + ROWS_PER_BLOCK].double()
            for other in range(start, len(self), ROWS_PER_BLOCK):
                stop_if_requested()
                second_gVF = first_gVF if start == other else self.unit_GVF[other : other + ROWS_PER_BLOCK].double()
                found_gg = torch.full((len(first_gVF), len(second_gVF)), -1.0, dtype=torch.float64)
                for view in range(first_gVF.shape[1]):
                    torch.maximum(found_gg, first_gVF[:, 0] @ second_gVF[:, view].T, out=found_gg)
                    torch.maximum(found_gg, first_gVF[:, view] @ second_gVF[:, 0].T, out=found_gg)
                yield start, other, _rounded(found_gg)

    def _unit(self, features: Tensor) -> Tensor:
        return torch.nn.functional.normalize((features.double() - self.center_F) @ self.whitening_FF, dim=-1)


def _rounded(similarity: Tensor) -> Tensor:
    return torch.round(similarity / STEP) * STEP


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
        near_gg = found_gg >= minimum_similarity - STEP / 2
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
