"""The similarity above which two videos count as near duplicates, calibrated by made copies.

Legend: P made copies, G videos of the collection.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

FEW = 0.02  # of the collection: similar videos that the copies do not let expect, which may be near duplicates of a rare kind


@dataclass(frozen=True)
class CopyThreshold:
    """`similarity` of near duplicates; `recall` is the fraction of the made copies with at least this similarity to their original."""

    similarity: float
    recall: float


def copy_threshold(*, copies_P: Tensor, nearest_G: Tensor) -> CopyThreshold:
    """The lowest threshold at which the collection has no more near duplicates than the copies let expect.

    The collection may contain near duplicates, so the highest similarity between its videos is no bound for distinct ones. Videos at least
    as similar to another one as half of the copies are to their original are taken for near duplicates. They lead to an expectation: a
    threshold that finds twice the copies finds twice these videos, and a few more. Where the collection has more, they are distinct.

    Args:
        copies_P: similarity of each made copy to its original.
        nearest_G: similarity of each video to its most similar other one.
    """
    copies_P, nearest_G = copies_P.double().sort(descending=True).values, nearest_G.double()
    half = (len(copies_P) + 1) // 2
    found_P = (nearest_G >= copies_P[:, None]).sum(dim=1).double()
    few = max(2, round(FEW * len(nearest_G)))
    accepted = half
    for count in range(half + 1, len(copies_P) + 1):
        if found_P[count - 1] > found_P[half - 1] * count / half + few:
            break
        accepted = count
    lowest = float(copies_P[accepted - 1])
    below = [float(values[values < lowest].max()) for values in (copies_P, nearest_G) if bool((values < lowest).any())]
    similarity = (lowest + max(below, default=lowest)) / 2
    return CopyThreshold(similarity=similarity, recall=float((copies_P >= similarity).double().mean()))
