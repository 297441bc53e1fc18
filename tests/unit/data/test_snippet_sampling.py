"""Where snippets are, and their mean at equal positions, against SciPy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import interp1d

from vclr_pl.data.snippet_sampling import covered_seconds, resample, snippet_centers


@pytest.mark.parametrize(
    ("frames", "expected"), [(1, [0]), (8, [4]), (9, [8]), (16, [8]), (24, [8]), (25, [8, 24]), (48, [8, 24, 40]), (50, [8, 24, 40])]
)
def test_centers_of_sixteen_frames(frames: int, expected: list[int]) -> None:
    assert snippet_centers(frame_count=frames, snippet_frames=16) == expected


def test_centers_of_single_frames() -> None:
    assert snippet_centers(frame_count=4, snippet_frames=1) == [0, 1, 2, 3]


@pytest.mark.parametrize("snippets", [2, 3, 40, 100, 317])
def test_resampling_is_scipys(snippets: int) -> None:
    features = np.random.default_rng(snippets).standard_normal((snippets, 5)).astype(np.float32)
    interpolate = interp1d(np.arange(snippets), features.astype(np.float64), axis=0)
    width = (snippets - 1 - 2e-4) / 20
    expected = [interpolate([1e-4 + width * (place + third / 3) for third in range(3)]).mean(axis=0) for place in range(20)]
    found = resample(features, positions=20, points_per_position=3)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found.dtype == np.float32


def test_one_snippet_is_repeated() -> None:
    assert resample(np.array([[1.0, 2.0]], np.float32), positions=3, points_per_position=3).tolist() == [[1.0, 2.0]] * 3


def test_a_ramp_stays_a_ramp() -> None:
    ramp = np.arange(50, dtype=np.float32)[:, None]
    steps = np.diff(resample(ramp, positions=10, points_per_position=3)[:, 0])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("frames", "expected"), [(1021, 1008 / 1021 * 40.0), (16, 40.0), (17, 16 / 17 * 40.0), (15, 40.0), (None, 40.0), (32, 40.0)]
)
def test_whole_snippets_cover_a_video(frames: int | None, expected: float) -> None:
    assert covered_seconds(duration_seconds=40.0, frames=frames, snippet_frames=16) == pytest.approx(expected)
