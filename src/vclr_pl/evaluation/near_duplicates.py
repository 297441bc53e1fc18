"""Pairs of videos that are nearly the same, within one collection.

Legend: G rows of the collection, g rows of a block, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vclr_pl.evaluation.neighbor_search import COSINE_STEP
from vclr_pl.types import InputError

ROWS_PER_BLOCK = 2048


@dataclass(frozen=True)
class Pairs:
    """The most similar pairs first; equally similar ones in order of their rows."""

    rows: Tensor  # [P, 2] long, the lower row first
    similarity: Tensor  # [P] float64, cosine
    found: int  # pairs above the similarity, also those past the limit
    near: Tensor  # [G] bool, the rows of these pairs


def near_duplicates(*, features_GF: Tensor, minimum_similarity: float, maximum_pairs: int) -> Pairs:
    """All pairs of rows whose cosine is at least `minimum_similarity`, the `maximum_pairs` most similar of them.

    Every pair is compared once, in blocks; memory grows with the pairs that are kept.

    Raises:
        InputError: a limit out of range.
    """
    if not -1 <= minimum_similarity <= 1 or maximum_pairs < 1:
        raise InputError(
            expected="minimum_similarity between -1 and 1, and maximum_pairs of 1 or more",
            got=f"minimum_similarity={minimum_similarity}, maximum_pairs={maximum_pairs}",
            remedy="Set for instance minimum_similarity=0.95 maximum_pairs=10000.",
        )
    least = round(minimum_similarity / COSINE_STEP)
    pairs_P2, steps_P, found = torch.empty(0, 2, dtype=torch.long), torch.empty(0, dtype=torch.long), 0
    near_G = torch.zeros(len(features_GF), dtype=torch.bool)
    for start in range(0, len(features_GF), ROWS_PER_BLOCK):
        for other in range(start, len(features_GF), ROWS_PER_BLOCK):
            rows, steps = _pairs_of_blocks(features_GF, start, other, least)
            found += len(steps)
            near_G[rows.flatten()] = True
            pairs_P2, steps_P = torch.cat((pairs_P2, rows)), torch.cat((steps_P, steps))
            if len(steps_P) > 4 * maximum_pairs:
                pairs_P2, steps_P = _first(pairs_P2, steps_P, maximum_pairs, len(features_GF))
    pairs_P2, steps_P = _first(pairs_P2, steps_P, maximum_pairs, len(features_GF))
    return Pairs(rows=pairs_P2, similarity=steps_P.double() * COSINE_STEP, found=found, near=near_G)


def _pairs_of_blocks(features_GF: Tensor, start: int, other: int, least: int) -> tuple[Tensor, Tensor]:
    first_gF, second_gF = (
        torch.nn.functional.normalize(features_GF[begin : begin + ROWS_PER_BLOCK].double(), dim=1) for begin in (start, other)
    )
    steps_gg = torch.round(first_gF @ second_gF.T / COSINE_STEP).long()
    near_gg = steps_gg >= least
    if start == other:
        near_gg = near_gg.triu(diagonal=1)
    places_P2 = near_gg.nonzero()
    return places_P2 + torch.tensor([start, other]), steps_gg[near_gg]


def _first(pairs_P2: Tensor, steps_P: Tensor, wanted: int, rows: int) -> tuple[Tensor, Tensor]:
    by_row = torch.argsort(pairs_P2[:, 0] * rows + pairs_P2[:, 1])
    pairs_P2, steps_P = pairs_P2[by_row], steps_P[by_row]
    order = torch.sort(steps_P, descending=True, stable=True).indices[:wanted]
    return pairs_P2[order], steps_P[order]
