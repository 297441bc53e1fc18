"""Oracles: their exact accuracy, and that neither ground truth nor pixels of real lists let an order-blind reader do better."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from tests.unit.datasets.demo.test_drawing import VARIED

from vclr_pl.datasets.demo import drawing
from vclr_pl.datasets.demo.catalog import plan_videos
from vclr_pl.datasets.demo.drawing import render_scene
from vclr_pl.datasets.demo.oracle import Reader, chance_percent, oracle_percent
from vclr_pl.datasets.demo.tasks import scene_classes

EXACT = {  # chance, one frame, frames without order, whole video
    "composition": (10, 20, 100, 100),
    "order": (Fraction(100, 6), Fraction(100, 6), Fraction(100, 6), 100),
    "shape": (10, 20, 100, 100),
    "motion": (Fraction(100, 8), Fraction(100, 8), Fraction(100, 8), 100),
    "arrow": (10, 20, 100, 100),
}


@pytest.mark.parametrize("frames", [15, 30])
@pytest.mark.parametrize("task", EXACT)
def test_what_each_reader_reaches(task: str, frames: int) -> None:
    assert (chance_percent(task), *(oracle_percent(task, reader, frames=frames) for reader in Reader)) == EXACT[task]


def test_unequal_thirds_would_reveal_the_last_kind() -> None:
    """Why `order` needs a multiple of three frames: of 16 the last third has 6, which leaves the order of two kinds."""
    assert oracle_percent("order", Reader.BAG, frames=16) == 50
    assert oracle_percent("order", Reader.FRAME, frames=16) == Fraction(300 * 6, 16 * 6)  # each kind is in 6 of 16 frames of some classes


def content(task: str, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ground truth of the videos of `data=demo`: states `[V, 15, 26]`, labels `[V]`, and which are for training `[V]`.

    The state of a frame is the kind of its four objects (one-hot, 6), then row, column, cosine and sine of the angle, and log size of each.
    """
    shots: list[np.ndarray] = []
    draw = drawing._objects

    def recorded(kind, paths, rows_HW, columns_HW, radius_pixels):
        objects = [np.column_stack([path.center / 8, np.cos(path.angle), np.sin(path.angle), np.log(path.scale)]) for path in paths]
        shots.append(np.column_stack([np.tile(4.0 * np.eye(6)[kind], (len(objects[0]), 1)), *objects]))
        return draw(kind, paths, rows_HW, columns_HW, radius_pixels)

    monkeypatch.setattr(drawing, "_objects", recorded)
    videos, states = plan_videos(task=task, train_videos_per_class=40, test_videos_per_class=15), []
    for video in videos:
        shots.clear()
        generator = np.random.default_rng((0, *video.entropy))
        render_scene(scene_class=video.scene_class, frames=15, size_pixels=8, appearance=VARIED, generator=generator)
        states.append(np.concatenate(shots))
    names = [scene_class.name for scene_class in scene_classes(task)]
    labels = np.array([names.index(video.scene_class.name) for video in videos])
    return np.stack(states), labels, np.array([video.training for video in videos])


def nearest_accuracy(features: np.ndarray, labels: np.ndarray, training: np.ndarray) -> float:
    """Percent of the test videos whose nearest training video has their class."""
    known, asked = features[training], features[~training]
    squared = (asked**2).sum(axis=1)[:, None] - 2 * asked @ known.T + (known**2).sum(axis=1)[None]
    return 100 * float(np.mean(labels[training][squared.argmin(axis=1)] == labels[~training]))


def without_order(states: np.ndarray) -> np.ndarray:
    """Each column of a video's states sorted over its frames, and the mean products of columns: the same for every order of the frames."""
    products = np.einsum("vts,vtr->vsr", states, states) / states.shape[1]
    return np.concatenate([np.sort(states, axis=1).reshape(len(states), -1), products.reshape(len(states), -1)], axis=1)


def directions(states: np.ndarray) -> np.ndarray:
    """`[V, 3]` signs of the first object's steps to the right, in size and clockwise, in the first, second and last third.

    Of the four steps of a third, one is over its cut; the median has the sign of the other three.
    """
    right, cosine, sine, size = (states[..., 6 + column] for column in (1, 2, 3, 4))
    turn = cosine[:, :-1] * sine[:, 1:] - sine[:, :-1] * cosine[:, 1:]
    steps = (np.diff(right)[:, :4], np.diff(size)[:, 5:9], turn[:, 10:14])
    return np.sign(np.stack([np.median(step, axis=1) for step in steps], axis=1))


@pytest.mark.parametrize("task", ["order", "motion"])
def test_nearest_neighbors_without_order_stay_at_chance(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states, labels, training = content(task, monkeypatch)
    chance = float(chance_percent(task))
    deviation = np.sqrt(chance * (100 - chance) / (~training).sum())  # of a guess
    assert abs(nearest_accuracy(without_order(states), labels, training) - chance) < 3 * deviation
    ordered = states[..., :6].reshape(len(states), -1) if task == "order" else directions(states)
    assert nearest_accuracy(ordered, labels, training) == 100


@pytest.mark.parametrize("task", ["composition", "arrow"])
def test_nearest_neighbors_without_order_find_a_set_of_kinds(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states, labels, training = content(task, monkeypatch)
    assert nearest_accuracy(without_order(states), labels, training) == 100


@pytest.mark.parametrize("seed", range(2))
def test_pixels_of_the_opposite_motion_are_the_frames_of_each_shot_in_reverse(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So for each video of a class, another class has a video of the same frames: no reader of pixels without order can do better.

    The camera moves the other way too, which is as likely.
    """
    classes, pan = {scene_class.name: scene_class for scene_class in scene_classes("motion")}, drawing._pan
    videos = []
    for name, sign in (("RightGrowClockwise", 1), ("LeftShrinkCounterclockwise", -1)):
        monkeypatch.setattr(drawing, "_pan", lambda *args, sign=sign: sign * pan(*args))
        generator = np.random.default_rng(seed)
        videos.append(render_scene(scene_class=classes[name], frames=15, size_pixels=56, appearance=VARIED, generator=generator))
    one, other = (video.astype(int) for video in videos)
    differences = np.abs(one[:, None] - other[None]).max(axis=(2, 3, 4))  # [15, 15]
    assert differences.min(axis=1).max() <= 1  # rounding
    cuts = [((1, 0), (4, 3, 2)), ((2, 1, 0), (4, 3))]
    reversals = [
        [5 * third + frame for third in range(3) for shot in chosen[third] for frame in shot] for chosen in product(cuts, repeat=3)
    ]
    assert list(differences.argmin(axis=1)) in reversals
