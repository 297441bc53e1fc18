"""Whole index lists: the published segments, their clips, and what happens to videos that are too short."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from vclr_pl.data.sampling import VideoTooShortError, clip_at, clips_around, draw_segment_frames, fitting_stride, segment_bounds


@pytest.mark.parametrize(
    ("frame_count", "segments", "expected"),
    [
        (6, 3, [(0, 2), (2, 4), (4, 6)]),
        (10, 3, [(0, 3), (3, 6), (6, 10)]),
        (11, 3, [(0, 3), (3, 6), (6, 11)]),
        (300, 3, [(0, 100), (100, 200), (200, 300)]),
        (9, 2, [(0, 4), (4, 9)]),
        (13, 5, [(0, 2), (2, 4), (4, 6), (6, 8), (8, 13)]),
    ],
)
def test_segments_are_equal_and_the_last_takes_the_remainder(frame_count, segments, expected):
    assert segment_bounds(frame_count=frame_count, segments=segments) == expected


@pytest.mark.parametrize(("frame_count", "segments"), [(5, 3), (0, 3), (3, 2), (7, 4)])
def test_fewer_than_two_frames_a_segment_is_too_short(frame_count, segments):
    message = f"^{frame_count} frames, but {segments} segments of two distinct frames each need {2 * segments}$"
    with pytest.raises(VideoTooShortError, match=message):
        segment_bounds(frame_count=frame_count, segments=segments)


def draws(times, **options):
    generator = np.random.default_rng(0)
    return [draw_segment_frames(generator=generator, **options) for _ in range(times)]


def test_pairs_are_distinct_and_uniform_over_ordered_pairs():
    """Seven frames: segments of 2, 2 and 3; every ordered pair of distinct frames is as likely as any other."""
    drawn = draws(6000, frame_count=7, segments=3, frames_per_clip=1, frame_stride=1)
    for segment, frames in enumerate([(0, 1), (2, 3), (4, 5, 6)]):
        counts = Counter((int(draw.key[segment, 0]), int(draw.query[segment, 0])) for draw in drawn)
        pairs = set(itertools.permutations(frames, 2))
        assert set(counts) == pairs
        assert all(abs(count - 6000 / len(pairs)) < 150 for count in counts.values())


def test_one_draw_is_what_it_was():
    """The first draw of generator 0: a change of it changes every run."""
    (drawn,) = draws(1, frame_count=30, segments=3, frames_per_clip=1, frame_stride=1)
    assert (drawn.key.tolist(), drawn.query.tolist()) == EXPECTED_FIRST_DRAW


EXPECTED_FIRST_DRAW = ([[7], [13], [29]], [[6], [12], [20]])


def test_clips_stand_inside_their_segment():
    """24 frames, 3 segments of 8, clips of 3 frames 2 apart: a clip spans 5, so it starts at the first four frames of a segment."""
    drawn = draws(500, frame_count=24, segments=3, frames_per_clip=3, frame_stride=2)
    for segment in range(3):
        first = 8 * segment
        expected = {(first + start, first + start + 2, first + start + 4) for start in range(4)}
        assert {tuple(draw.key[segment].tolist()) for draw in drawn} == expected
        assert {tuple(draw.query[segment].tolist()) for draw in drawn} == expected
        assert all(draw.key[segment, 0] != draw.query[segment, 0] for draw in drawn)


@pytest.mark.parametrize(
    ("length", "frames_per_clip", "frame_stride", "expected"),
    [(8, 3, 2, 2), (8, 3, 4, 3), (8, 8, 2, 1), (9, 8, 2, 1), (16, 8, 2, 2), (15, 8, 2, 1), (2, 8, 2, 1), (2, 1, 5, 5), (10, 2, 100, 8)],
)
def test_the_stride_gives_way_before_the_clips_do(length, frames_per_clip, frame_stride, expected):
    assert fitting_stride(length=length, frames_per_clip=frames_per_clip, frame_stride=frame_stride) == expected


def test_a_lower_stride_where_the_segment_is_short():
    """12 frames, 3 segments of 4, clips of 3, 2 apart: stride 2 leaves no two clips, stride 1 leaves starts 0 and 1."""
    drawn = draws(100, frame_count=12, segments=3, frames_per_clip=3, frame_stride=2)
    pairs = {(tuple(draw.key[1].tolist()), tuple(draw.query[1].tolist())) for draw in drawn}
    assert pairs == {((4, 5, 6), (5, 6, 7)), ((5, 6, 7), (4, 5, 6))}


def test_a_segment_shorter_than_a_clip_holds_its_last_frame():
    """7 frames, 3 segments of 2, 2 and 3, clips of 4: the two clips start at the first two frames and wait at the last."""
    drawn = draws(100, frame_count=7, segments=3, frames_per_clip=4, frame_stride=2)
    expected = [{(0, 1, 1, 1), (1, 1, 1, 1)}, {(2, 3, 3, 3), (3, 3, 3, 3)}, {(4, 5, 6, 6), (5, 6, 6, 6)}]
    for segment, clips in enumerate(expected):
        pairs = {(tuple(draw.key[segment].tolist()), tuple(draw.query[segment].tolist())) for draw in drawn}
        assert pairs == set(itertools.permutations(clips, 2))


def test_a_clip_ends_with_its_segment():
    assert clip_at(start=3, bounds=(2, 8), frames_per_clip=4, stride=2).tolist() == [3, 5, 7, 7]


@pytest.mark.parametrize(
    ("centers", "frame_count", "expected"),
    [
        ([0, 5, 19], 20, [[0, 2, 4], [3, 5, 7], [15, 17, 19]]),
        ([0, 3], 4, [[0, 1, 2], [1, 2, 3]]),
        ([0, 1], 2, [[0, 1, 1], [0, 1, 1]]),
        ([0], 1, [[0, 0, 0]]),
    ],
)
def test_clips_around_evaluation_frames(centers, frame_count, expected):
    """Clips of three frames, two apart: 20 frames, 4, 2 and 1."""
    assert clips_around(centers=centers, frame_count=frame_count, frames_per_clip=3, frame_stride=2).tolist() == expected
