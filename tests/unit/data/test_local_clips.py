"""Windows of a video: the distribution of their interval, where they lie, and the frames of a clip."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from vclr_pl.data.local_clips import LocalClips, draw_window_starts
from vclr_pl.data.samples import draw_segments
from vclr_pl.data.sampling import VideoTooShortError
from vclr_pl.types import InputError


def sampler(**changes: Any) -> LocalClips:
    options = {"segments": 3, "frames_per_clip": 1, "frame_stride": 1, "window_fraction": 0.2, "window_frames": None}
    return LocalClips(**(options | changes))


def test_the_interval_has_the_linearly_decreasing_distribution() -> None:
    """P(t) = 2 (n - t) / (n (n + 1)) for n places of a window, t = 0 to n - 1."""
    places, draws, generator = 8, 20_000, np.random.default_rng(0)
    pairs = [draw_window_starts(starts=places, generator=generator) for _ in range(draws)]
    counts = Counter(abs(key - query) for key, query in pairs)
    expected = [draws * 2 * (places - interval) / (places * (places + 1)) for interval in range(places)]
    assert chisquare([counts[interval] for interval in range(places)], expected).pvalue > 0.01


def test_the_earlier_window_is_uniform_in_what_the_interval_leaves_and_either_side_is_first() -> None:
    """Every pair of starts a <= b has the same probability, 2 / (n (n + 1)); of a < b, each order half of it."""
    places, draws, generator = 5, 20_000, np.random.default_rng(1)
    counts = Counter(draw_window_starts(starts=places, generator=generator) for _ in range(draws))
    pairs = [(key, query) for key in range(places) for query in range(places)]
    of_pair = draws * 2 / (places * (places + 1))
    expected = [of_pair if key == query else of_pair / 2 for key, query in pairs]
    assert chisquare([counts[pair] for pair in pairs], expected).pvalue > 0.01


@pytest.mark.parametrize(
    ("frames", "changes", "expected"),
    [
        (100, {}, 20),
        (48, {}, 10),
        (10, {}, 3),  # a fifth is two frames, fewer than the segments
        (100, {"window_fraction": 1.0}, 100),
        (100, {"window_frames": 32}, 32),
        (20, {"window_frames": 32}, 20),
    ],
)
def test_the_length_of_a_window(frames: int, changes: dict[str, Any], expected: int) -> None:
    assert sampler(**changes).window_length(frames) == expected


@pytest.mark.parametrize("segments", [2, 3, 5])
@pytest.mark.parametrize("frames", [10, 11, 48, 300])
@pytest.mark.parametrize("clip", [{}, {"frames_per_clip": 4, "frame_stride": 2}])
def test_frames_lie_in_one_window_in_time(segments: int, frames: int, clip: dict[str, int]) -> None:
    made, generator = sampler(segments=segments, **clip), np.random.default_rng(0)
    length = made.window_length(frames)
    seen = set()
    for _ in range(200):
        drawn = made.draw(frame_count=frames, generator=generator)
        for moments in (drawn.key, drawn.query):
            assert moments.shape == (segments, clip.get("frames_per_clip", 1))
            assert (moments.min(), moments.max()) >= (0, 0)
            assert moments.max() < frames
            assert moments.max() - moments.min() < length
            assert (np.diff(moments[:, 0]) > 0).all()
            assert (np.diff(moments, axis=1) >= 0).all()
            assert (moments[1:].min(1) > moments[:-1].max(1)).all()
        seen |= set(drawn.key[:, 0].tolist())
    assert min(seen) < 0.2 * frames
    assert max(seen) > 0.7 * frames


def test_each_part_of_a_window_gives_each_of_its_frames_equally_often() -> None:
    """A window of the whole video, 10 frames: parts of 3, 3 and 4."""
    made, generator = sampler(window_fraction=1.0), np.random.default_rng(0)
    drawn = np.stack([made.draw(frame_count=10, generator=generator).query[:, 0] for _ in range(6000)])
    for part, frames in enumerate([range(3), range(3, 6), range(6, 10)]):
        counts = Counter(drawn[:, part].tolist())
        assert set(counts) == set(frames)
        assert chisquare([counts[frame] for frame in frames]).pvalue > 0.01


@pytest.mark.parametrize(
    ("stride", "expected"),
    [(2, {(0, 2, 4), (1, 3, 5)}), (9, {(0, 2, 4), (1, 3, 5)}), (1, {(0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5)})],
)
def test_a_clip_stays_in_its_part(stride: int, expected: set[tuple[int, ...]]) -> None:
    made, generator = sampler(segments=2, frames_per_clip=3, frame_stride=stride, window_fraction=1.0), np.random.default_rng(0)
    drawn = [made.draw(frame_count=12, generator=generator).key for _ in range(200)]
    assert {tuple(clips[0].tolist()) for clips in drawn} == expected
    assert {tuple((clips[1] - 6).tolist()) for clips in drawn} == expected


def test_a_part_shorter_than_a_clip_repeats_its_last_frame() -> None:
    made = sampler(frames_per_clip=3, frame_stride=2, window_frames=3)
    drawn = made.draw(frame_count=30, generator=np.random.default_rng(0))
    first = int(drawn.key[0, 0])
    assert drawn.key.tolist() == [[first + part] * 3 for part in range(3)]


def test_the_shortest_video_is_that_of_the_other_sampler() -> None:
    made, generator = sampler(), np.random.default_rng(0)
    assert made.draw(frame_count=6, generator=generator).key.shape == (3, 1)
    with pytest.raises(VideoTooShortError, match=r"^5 frames, but 3 segments of two distinct frames each need 6$"):
        made.draw(frame_count=5, generator=generator)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window_fraction": 0.0}, r"sampling\.window_fraction=0\.0"),
        ({"window_fraction": 20}, r"sampling\.window_fraction=20"),
        ({"window_frames": 2}, r"sampling\.window_frames=2"),
        ({"segments": 1}, r"sampling\.segments=1"),
    ],
)
def test_figures_that_give_no_window_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sampler(**changes)


def test_a_sample_of_pretraining_has_its_anchor_and_orders() -> None:
    drawn = draw_segments(frame_count=60, sampling=sampler(), generator=np.random.default_rng(0))
    assert drawn.anchor_segment in (0, 2)
    assert sorted(drawn.order.query.tolist()) == [0, 1, 2]
    assert drawn.moments.key.shape == (3, 1)
