"""The similarity above which two videos count as near duplicates, calibrated by made copies.

Legend: P made copies, G videos of the collection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class CopyThreshold:
    """`similarity` of near duplicates; `recall` is the fraction of the made copies with at least this similarity to their original."""

    similarity: float
    recall: float


def copy_threshold(*, copies_P: Tensor, nearest_G: Tensor, recall: float) -> CopyThreshold:
    """The highest threshold that finds the fraction `recall` of the copies, lowered as far as no further video of the collection is found.

    The higher the threshold, the fewer distinct videos are joined. The collection itself may contain near duplicates, so the similarity
    of its videos is no upper bound for distinct ones.

    Args:
        copies_P: similarity of each made copy to its original.
        nearest_G: similarity of each video to its most similar other one.
    """
    copies_P = copies_P.double().sort(descending=True).values
    wanted = float(copies_P[max(1, math.ceil(recall * len(copies_P))) - 1])
    below = nearest_G.double()[nearest_G < wanted]
    bound = float(below.max()) if len(below) else -1.0
    lowest = float(copies_P[copies_P > bound].min())
    similarity = (lowest + bound) / 2
    return CopyThreshold(similarity=similarity, recall=float((copies_P >= similarity).double().mean()))
