"""A video's frames: what varies, what stays, and that the object can be seen."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from vclr_pl.datasets.demo.drawing import Appearance, render_scene
from vclr_pl.datasets.demo.tasks import SceneClass, composition_class, scene_classes

PLAIN = Appearance(
    copies=4,
    hue_spread=0.0,
    radius_fraction=(0.1, 0.1),
    background_saturation=0.0,
    stripe_contrast=0.0,
    speed_fraction=0.0,
    exposure_range=(1.0, 1.0),
    contrast_range=(1.0, 1.0),
    gray=False,
)


def render(
    *,
    seed: int = 0,
    kinds: tuple[int, int, int] = (0, 2, 4),
    of: SceneClass | None = None,
    frames: int = 15,
    appearance: Appearance = PLAIN,
) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return render_scene(
        scene_class=of or composition_class(kinds), frames=frames, size_pixels=56, appearance=appearance, generator=generator
    )


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


MOTION = {scene_class.name: scene_class for scene_class in scene_classes("motion")}
ORDER = {scene_class.name: scene_class for scene_class in scene_classes("order")}
VARIED = Appearance(
    copies=4,
    hue_spread=0.08,
    radius_fraction=(0.13, 0.18),
    background_saturation=0.25,
    stripe_contrast=0.06,
    speed_fraction=0.02,
    exposure_range=(0.8, 1.2),
    contrast_range=(0.8, 1.2),
    gray=False,
)


def test_composition_has_the_pixels_of_the_first_version() -> None:
    """The digest was computed at commit d56ee33, before there were other tasks."""
    video = render(seed=0, kinds=(0, 2, 4), appearance=VARIED)
    assert hashlib.sha256(video.tobytes()).hexdigest() == "30b3fab04bc622b3cca964c024f718d272c7959b3db51a25878e671066ab50fe"


def test_order_shows_its_kinds_in_the_order_of_its_name() -> None:
    hue = {"Disc": 0, "Ring": 2, "Bars": 4}
    for name, scene_class in ORDER.items():
        hues = [strongest_hue(frame) for frame in render(of=scene_class, seed=3)]
        expected = [kind for kind in name.replace("D", " D").replace("R", " R").replace("B", " B").split() for _ in range(5)]
        assert hues == [hue[kind] for kind in expected]


def test_hues_of_shape_are_drawn_from_the_whole_circle_for_each_shot() -> None:
    scene_class = scene_classes("shape")[0]
    hues = [strongest_hue(render(of=scene_class, seed=seed)[frame]) for seed in range(40) for frame in (0, 4)]
    assert set(hues) == set(range(6))
    assert np.mean([first != second for first, second in zip(hues[::2], hues[1::2], strict=True)]) > 0.5


@pytest.mark.parametrize("opposite", [name for name in MOTION if name != "RightGrowClockwise"])
def test_frames_of_opposite_motions_are_the_same_without_their_order(opposite: str) -> None:
    one, other = (render(of=MOTION[name], seed=5).astype(int) for name in ("RightGrowClockwise", opposite))
    differences = np.abs(one[:, None] - other[None]).max(axis=(2, 3, 4))
    partner = differences.argmin(axis=1)
    assert differences.min(axis=1).max() <= 1
    assert sorted(partner) == list(range(15))
    assert list(partner) != list(range(15))


def tracks(name: str, seed: int) -> np.ndarray:
    """`[15, 3]`: horizontal center, area, and angle (by second moments) of the only object, on a gray background."""
    video = render(of=one_kind(MOTION[name]), seed=seed, appearance=replace(PLAIN, copies=1)).astype(float)
    weight = video.max(axis=-1) - video.min(axis=-1)
    weight /= weight.max(axis=(1, 2), keepdims=True)
    rows, columns = np.mgrid[:56, :56]
    area = weight.sum(axis=(1, 2))
    across, down = ((weight * axis).sum(axis=(1, 2)) / area for axis in (columns, rows))
    u, v = columns - across[:, None, None], rows - down[:, None, None]
    return np.stack(
        [across, area, np.arctan2(2 * (weight * u * v).sum(axis=(1, 2)), (weight * (u * u - v * v)).sum(axis=(1, 2))) / 2], axis=1
    )


def one_kind(scene_class: SceneClass) -> SceneClass:
    """The class with bars only."""
    first, second, third = (replace(third, kinds=(4,)) for third in scene_class.thirds)
    return replace(scene_class, thirds=(first, second, third))


def within_shots(values: np.ndarray, third: int) -> np.ndarray:
    """Steps of the third, without the step over its cut, the largest of the four in absolute value."""
    steps = np.diff(values[5 * third : 5 * third + 5])
    return np.delete(steps, np.abs(steps).argmax())


@pytest.mark.parametrize("name", MOTION)
def test_the_object_moves_as_the_class_says(name: str) -> None:
    directions = np.zeros(3)
    for seed in range(12):
        track = tracks(name, seed)
        turns = np.diff(track[10:15, 2])
        turns = (turns + np.pi / 2) % np.pi - np.pi / 2  # bars look the same after half a turn
        directions += [
            np.sign(np.median(within_shots(track[:, 0], 0))),
            np.sign(np.median(within_shots(track[:, 1], 1))),
            np.sign(np.median(turns)),
        ]
    expected = [1 if "Right" in name else -1, 1 if "Grow" in name else -1, -1 if "Counter" in name else 1]
    assert (np.sign(directions) == expected).all()
    assert (np.abs(directions) >= 8).all()  # of 12 videos, some with an object at the edge


def test_gray_videos_have_no_color_and_the_brightness_of_the_colored_ones() -> None:
    colored, gray = (render(appearance=replace(VARIED, gray=gray)).astype(float) for gray in (False, True))
    assert np.array_equal(gray, np.repeat(gray[..., :1], 3, axis=-1))
    assert np.abs(gray[..., 0] - colored @ np.array([0.299, 0.587, 0.114])).max() <= 1.0


def test_gray_false_is_described_as_before_the_option() -> None:
    assert "gray" not in VARIED.describe()
    assert replace(VARIED, gray=True).describe()["gray"] is True
