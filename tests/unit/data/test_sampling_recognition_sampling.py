"""The published sampler's index tables, and where they come from: the same sentences as a loop."""

from __future__ import annotations

import numpy as np
import pytest

from vclr_pl.data.sampling import RecognitionSampling, segment_centers, train_starts
from vclr_pl.types import InputError


def drawn(frame_count, segments, *, frames_per_clip=1, frame_stride=1, seed=0):
    sampling = RecognitionSampling(segments=segments, frames_per_clip=frames_per_clip, frame_stride=frame_stride)
    return sampling.draw(frame_count=frame_count, generator=np.random.default_rng(seed)).tolist()


@pytest.mark.parametrize(
    ("frame_count", "segments", "expected"),
    [  # all that can come of each segment
        (9, 3, [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}]),
        (11, 3, [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}]),  # the remainder is never seen, as published
        (12, 8, [{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}]),  # one frame a segment: the last four never
        (8, 8, [{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}]),
        (3, 3, [{0}, {1}, {2}]),
        (17, 8, [{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}, {12, 13}, {14, 15}]),
    ],
)
def test_one_random_frame_of_each_segment(frame_count, segments, expected):
    tables = [drawn(frame_count, segments, seed=seed) for seed in range(200)]
    assert [{table[segment][0] for table in tables} for segment in range(segments)] == expected


@pytest.mark.parametrize(
    ("frame_count", "segments", "expected"),
    [  # fewer frames than segments: round(k n / S), half to even, counted around the end
        (1, 3, [0, 0, 0]),
        (2, 3, [0, 1, 1]),
        (2, 8, [0, 0, 0, 1, 1, 1, 0, 0]),
        (5, 8, [0, 1, 1, 2, 2, 3, 4, 4]),
        (7, 8, [0, 1, 2, 3, 4, 4, 5, 6]),
        (3, 16, [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0, 0]),
    ],
)
def test_a_video_of_fewer_frames_than_segments(frame_count, segments, expected):
    assert [clip[0] for clip in drawn(frame_count, segments)] == expected
    assert drawn(frame_count, segments, seed=1) == drawn(frame_count, segments, seed=2)


def published_starts(frame_count, segments, span, generator):
    """The published sampler's rules, one segment after another."""
    length = (frame_count - span + 1) // segments
    if length > 0:
        offsets = generator.integers(length, size=segments)
        return [segment * length + int(offsets[segment]) for segment in range(segments)]
    if frame_count > max(segments, span):
        return sorted(int(start) for start in generator.integers(frame_count - span + 1, size=segments))
    if length == 0:
        return [round(segment * ((frame_count - span + 1) / segments)) for segment in range(segments)]
    return [0] * segments


@pytest.mark.parametrize("span", [1, 4, 16])
def test_every_length_up_to_forty(span):
    for frame_count in range(1, 41):
        for segments in (1, 2, 3, 5, 8, 16, 25):
            found = train_starts(frame_count=frame_count, segments=segments, span=span, generator=np.random.default_rng(frame_count))
            assert found.tolist() == published_starts(frame_count, segments, span, np.random.default_rng(frame_count))


@pytest.mark.parametrize(
    ("frame_count", "segments", "expected"),
    [
        (9, 3, [1, 4, 7]),
        (10, 3, [1, 5, 8]),
        (100, 25, [2, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 54, 58, 62, 66, 70, 74, 78, 82, 86, 90, 94, 98]),
        (30, 8, [1, 5, 9, 13, 16, 20, 24, 28]),
        (2, 8, [0, 0, 0, 0, 1, 1, 1, 1]),
        (1, 3, [0, 0, 0]),
        (5, 8, [0, 0, 1, 2, 2, 3, 4, 4]),
    ],
)
def test_the_centers_of_the_segments(frame_count, segments, expected):
    assert segment_centers(frame_count=frame_count, segments=segments) == expected


def test_clips():
    """Clips of 4 frames, 2 apart: 8 frames long, at 33 places of 40; past the end they go on at the beginning."""
    for seed in range(20):
        table = drawn(40, 3, frames_per_clip=4, frame_stride=2, seed=seed)
        assert all(clip == [clip[0] + 2 * step for step in range(4)] for clip in table)
        assert [clip[0] // 11 for clip in table] == [0, 1, 2]
    assert drawn(5, 2, frames_per_clip=4, frame_stride=2) == [[0, 2, 4, 1]] * 2


@pytest.mark.parametrize("name", ["segments", "frames_per_clip", "frame_stride"])
def test_figures_below_one_are_told(name):
    options = {"segments": 3, "frames_per_clip": 1, "frame_stride": 1, name: 0}
    with pytest.raises(InputError, match=rf"got sampling\.{name}=0"):
        RecognitionSampling(**options)
