"""A video's frames: what varies, what stays, and that the object can be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vclr_pl.data.demo.scene import Appearance, render_scene

PLAIN = Appearance(
    copies=4,
    hue_spread=0.0,
    radius_fraction=(0.1, 0.1),
    background_saturation=0.0,
    stripe_contrast=0.0,
    speed_fraction=0.0,
    exposure_range=(1.0, 1.0),
    contrast_range=(1.0, 1.0),
)


def render(*, seed: int = 0, kinds: tuple[int, int, int] = (0, 2, 4), frames: int = 15, appearance: Appearance = PLAIN) -> np.ndarray:
    return render_scene(kinds=kinds, frames=frames, size_pixels=56, appearance=appearance, generator=np.random.default_rng(seed))


def strongest_hue(frame: np.ndarray) -> int:
    """Sixth of the color circle that the most saturated pixels have; the background is gray."""
    red, green, blue = frame.reshape(-1, 3).astype(float).T
    angle = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)
    chroma = frame.max(axis=-1).ravel().astype(float) - frame.min(axis=-1).ravel()
    return round(float(np.median(angle[chroma > 0.7 * chroma.max()])) / (np.pi / 3)) % 6


@pytest.mark.parametrize("frames", [6, 15, 16, 17])
def test_size_and_kind_of_the_frames(frames: int) -> None:
    video = render(frames=frames)
    assert video.shape == (frames, 56, 56, 3)
    assert video.dtype == np.uint8


def test_same_seed_same_video_and_another_seed_another() -> None:
    assert np.array_equal(render(seed=3), render(seed=3))
    assert not np.array_equal(render(seed=3), render(seed=4))


def test_each_third_shows_one_kind_of_the_class_in_some_order() -> None:
    orders = set()
    for seed in range(30):
        hues = [strongest_hue(frame) for frame in render(seed=seed)]
        thirds = [set(hues[start : start + 5]) for start in (0, 5, 10)]
        assert [len(third) for third in thirds] == [1, 1, 1]
        orders.add(tuple(third.pop() for third in thirds))
    assert orders == {(0, 2, 4), (0, 4, 2), (2, 0, 4), (2, 4, 0), (4, 0, 2), (4, 2, 0)}


def test_a_third_has_two_shots_of_two_and_three_frames() -> None:
    # nothing moves but by the turn of a ring, which does not show: frames of a shot are equal
    first_shots = set()
    for seed in range(12):
        video = render(seed=seed, kinds=(2, 2, 2)).astype(int)
        cuts = [frame for frame in range(1, 15) if np.abs(video[frame] - video[frame - 1]).max() > 1]
        assert len(cuts) == 5
        assert cuts[1] == 5
        assert cuts[3] == 10
        first_shots |= {cuts[0], cuts[2] - 5, cuts[4] - 10}
    assert first_shots == {2, 3}


def test_copies_are_as_many_as_asked_and_of_the_asked_size() -> None:
    area = np.pi * 5.6**2
    for copies in (1, 4):
        frame = render(kinds=(0, 0, 0), appearance=replace(PLAIN, copies=copies, radius_fraction=(0.1, 0.1)))[0]
        chroma = frame.max(axis=-1).astype(int) - frame.min(axis=-1)
        covered = (chroma / chroma.max()).sum() / area
        assert covered <= copies * 1.02
        assert covered >= copies * 0.6  # some stand partly outside or behind one another


def test_exposure_is_constant_in_a_video_and_varies_between_videos() -> None:
    fixed = [render(seed=seed).mean() for seed in range(2)]
    varied = [render(seed=seed, appearance=replace(PLAIN, exposure_range=(0.5, 0.5))).mean() for seed in range(2)]
    assert np.allclose(varied, np.array(fixed) / 2, atol=1.0)


def test_objects_move_by_their_speed() -> None:
    still, moving = (render(kinds=(0, 0, 0), appearance=replace(PLAIN, speed_fraction=speed)).astype(int) for speed in (0.0, 0.05))
    assert np.abs(still[1] - still[0]).max() <= 1
    assert np.abs(moving[1] - moving[0]).max() > 50
