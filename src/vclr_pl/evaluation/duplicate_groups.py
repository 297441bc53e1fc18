"""Groups of near duplicates, and which video of a group to keep.

Legend: G rows of a collection, P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

BEST = ("most pixels", "longest", "highest bit rate")


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """Frame size in pixels as shown, length, and size of the file over its length; 0 where the file does not say."""

    width: int = 0
    height: int = 0
    seconds: float = 0.0
    kilobits_per_second: int = 0


@dataclass(frozen=True)
class GroupMember:
    """A row of the collection, the reason to keep or remove it, and its similarity to the kept row of the group (1 for itself)."""

    row: int
    reason: str
    similarity: float


@dataclass(frozen=True)
class DuplicateGroup:
    """The video to keep, and the others, the most similar to it first."""

    kept: GroupMember
    removed: tuple[GroupMember, ...]


def connected_rows(pairs_P2: Tensor, *, rows: int) -> list[list[int]]:
    """Sets of two or more of the `rows` rows that pairs connect, directly or through others; in order of their first row."""
    first_P, second_P = pairs_P2.numpy().T
    graph = coo_array((np.ones(len(first_P), np.int8), (first_P, second_P)), shape=(rows, rows))
    _, label_G = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for row in np.unique(pairs_P2.numpy()).tolist():
        groups.setdefault(int(label_G[row]), []).append(row)
    return list(groups.values())


def in_keeping_order(group: Sequence[int], *, facts: Mapping[int, VideoFacts], paths: Sequence[str]) -> list[int]:
    """The rows of a group, the one to keep first: most pixels, then longest (in tenths of a second), then highest bit rate, then path."""
    return sorted(group, key=lambda row: (*(-value for value in _ranking(facts[row])), paths[row]))


def reason_to_keep(kept: VideoFacts, others: Sequence[VideoFacts]) -> str:
    """The criteria that chose `kept`, in their order: those in which it differs from one of `others`, up to the one that decided."""
    decisive = _first_difference(kept, max(others, key=_ranking))
    earlier = [
        place for place in range(min(decisive, len(BEST))) if any(_ranking(other)[place] != _ranking(kept)[place] for other in others)
    ]
    return ", then ".join([*(BEST[place] for place in earlier), (*BEST, "first by path")[decisive]])


def reason_to_remove(removed: VideoFacts, kept: VideoFacts) -> str:
    """What `removed` lacks."""
    differing = _first_difference(kept, removed)
    return ("fewer pixels", "shorter", "lower bit rate", "equal to the kept one")[differing]


def _ranking(facts: VideoFacts) -> tuple[float, float, float]:
    return facts.width * facts.height, round(facts.seconds, 1), facts.kilobits_per_second


def _first_difference(one: VideoFacts, other: VideoFacts) -> int:
    """Position in the ranking of the first difference, 3 for none."""
    return next((place for place, (own, its) in enumerate(zip(_ranking(one), _ranking(other), strict=True)) if own != its), 3)
