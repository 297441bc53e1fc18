"""Neighbors that do not overlap, against a slow loop over all pairs of seconds."""

from __future__ import annotations

import itertools

import pytest
import torch

from vclr_pl.evaluation.distinct_segments import NO_NEIGHBOR, distinct_segments
from vclr_pl.evaluation.neighbor_search import nearest_neighbors
from vclr_pl.types import VideoSegment


def segment(video: int, first: int, end: int) -> VideoSegment:
    return VideoSegment(video=video, frames=(first, end), seconds=(first / 25, end / 25))


GALLERY = [segment(video, first, first + 4) for video in range(3) for first in range(0, 18, 2)]


@pytest.mark.parametrize("own", [False, True])
def test_equals_a_slow_loop(own: bool) -> None:
    features = torch.randn(len(GALLERY), 8, generator=torch.Generator().manual_seed(0))
    queries = None if own else torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    ranked = nearest_neighbors(gallery_GF=features, query_QF=queries, neighbors=len(GALLERY))
    found = distinct_segments(ranked, gallery=GALLERY, query=GALLERY if own else None, neighbors=4)
    for row, order in enumerate(ranked.index.tolist()):
        seen = {(GALLERY[row].video, frame) for frame in range(*GALLERY[row].frames)} if own else set()
        expected = []
        for candidate in order:
            frames = {(GALLERY[candidate].video, frame) for frame in range(*GALLERY[candidate].frames)}
            if not frames & seen:
                expected.append(candidate)
                seen |= frames
        assert found.index[row].tolist() == expected[:4]
        columns = [order.index(candidate) for candidate in expected[:4]]
        assert torch.equal(found.similarity[row], ranked.similarity[row, columns])


def test_neighbors_are_different_parts() -> None:
    features = torch.ones(len(GALLERY), 2)
    found = distinct_segments(
        nearest_neighbors(gallery_GF=features, query_QF=features[:1], neighbors=99), gallery=GALLERY, query=None, neighbors=20
    )
    kept = [GALLERY[row] for row in found.index[0].tolist()]
    assert len(kept) == 3 * 5
    assert not [
        (one, other)
        for one, other in itertools.combinations(kept, 2)
        if one.video == other.video and one.frames[1] > other.frames[0] and other.frames[1] > one.frames[0]
    ]


def test_a_query_with_fewer_neighbors_has_gaps() -> None:
    gallery = [segment(0, 0, 4), segment(0, 2, 6), segment(1, 0, 4)]
    found = distinct_segments(
        nearest_neighbors(gallery_GF=torch.eye(3), query_QF=None, neighbors=2), gallery=gallery, query=gallery, neighbors=5
    )
    assert found.index.tolist() == [[2, NO_NEIGHBOR], [2, NO_NEIGHBOR], [0, NO_NEIGHBOR]] or found.index.tolist() == [[2], [2], [0]]
