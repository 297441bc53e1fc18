"""Of overlapping segments of a video only the most similar one is a neighbor, so that K neighbors are K different parts.

Legend: Q queries, K neighbors, N candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vclr_pl.evaluation.neighbor_search import Neighbors
from vclr_pl.types import VideoSegment

NO_NEIGHBOR = -1


def distinct_segments(
    found: Neighbors, *, gallery: Sequence[VideoSegment], query: Sequence[VideoSegment] | None, neighbors: int
) -> Neighbors:
    """Non-maximum suppression: from the nearest on, a segment that shares a frame with an earlier one of its video is left out.

    Args:
        found: candidates, nearest first.
        gallery: segments by row of the gallery.
        query: segments by row of the queries if they are segments of the same videos: parts that overlap the query are left out as well.
        neighbors: K.

    Returns:
        At most K neighbors of each query; NO_NEIGHBOR with similarity 0 where there are fewer.
    """
    index_QK = torch.full((len(found.index), neighbors), NO_NEIGHBOR)
    similarity_QK = torch.zeros(len(found.index), neighbors, dtype=torch.float64)
    for row, candidates in enumerate(found.index.tolist()):
        own = [] if query is None else [query[row]]
        columns = _kept(candidates, gallery=gallery, taken=own, most=neighbors)
        index_QK[row, : len(columns)] = found.index[row, columns]
        similarity_QK[row, : len(columns)] = found.similarity[row, columns]
    longest = int((index_QK != NO_NEIGHBOR).sum(dim=1).max()) if len(index_QK) else 0
    return Neighbors(index=index_QK[:, :longest], similarity=similarity_QK[:, :longest])


def _kept(candidates: Sequence[int], *, gallery: Sequence[VideoSegment], taken: Sequence[VideoSegment], most: int) -> list[int]:
    """Columns of the candidates that remain."""
    frames_of: dict[int, list[tuple[int, int]]] = {}
    for segment in taken:
        frames_of.setdefault(segment.video, []).append(segment.frames)
    columns: list[int] = []
    for column, candidate in enumerate(candidates):
        if len(columns) == most:
            break
        segment = gallery[candidate]
        others = frames_of.setdefault(segment.video, [])
        first, end = segment.frames
        if all(end <= other_first or other_end <= first for other_first, other_end in others):
            others.append(segment.frames)
            columns.append(column)
    return columns
