"""The classes of each task, and that the content of a video's frames without their order holds no class of `order` and `motion`."""

from __future__ import annotations

from collections import Counter
from itertools import chain, combinations, product

import pytest

from vclr_pl.datasets.demo.tasks import CLASS_KINDS, scene_classes


def test_one_kind_leaves_five_classes_and_two_kinds_leave_two() -> None:
    assert len(set(CLASS_KINDS)) == 10
    assert Counter(chain.from_iterable(CLASS_KINDS)) == dict.fromkeys(range(6), 5)
    assert Counter(pair for kinds in CLASS_KINDS for pair in combinations(kinds, 2)) == dict.fromkeys(combinations(range(6), 2), 2)


def test_class_names_are_the_sorted_names_of_their_kinds() -> None:
    assert [scene_class.name for scene_class in scene_classes("composition")] == [
        "BarsDiscRing",
        "BarsDiscSquare",
        "BarsPlusSquare",
        "BarsPlusTriangle",
        "BarsRingTriangle",
        "DiscPlusRing",
        "DiscPlusTriangle",
        "DiscSquareTriangle",
        "PlusRingSquare",
        "RingSquareTriangle",
    ]


def test_order_has_the_six_orders_of_the_same_three_kinds() -> None:
    classes = scene_classes("order")
    assert [scene_class.name for scene_class in classes] == [
        *("BarsDiscRing", "BarsRingDisc", "DiscBarsRing", "DiscRingBars", "RingBarsDisc", "RingDiscBars")
    ]
    assert all(scene_class.in_order for scene_class in classes)
    assert {frozenset(chain.from_iterable(third.kinds for third in scene_class.thirds)) for scene_class in classes} == {
        frozenset((0, 2, 4))
    }


def test_shape_has_the_classes_of_composition_in_any_hue() -> None:
    shape, composition = scene_classes("shape"), scene_classes("composition")
    assert [(one.name, one.thirds) for one in shape] == [(one.name, one.thirds) for one in composition]
    assert all(one.any_hue for one in shape)
    assert not any(one.any_hue for one in composition)


def test_motion_has_each_combination_of_three_directions() -> None:
    classes = scene_classes("motion")
    assert [scene_class.name for scene_class in classes][:3] == ["LeftGrowClockwise", "LeftGrowCounterclockwise", "LeftShrinkClockwise"]
    signs = {tuple(third.motion.sign for third in scene_class.thirds if third.motion) for scene_class in classes}
    assert signs == set(product((-1, 1), repeat=3))


@pytest.mark.parametrize(("task", "blind_percent"), [("composition", 100.0), ("order", 100 / 6), ("shape", 100.0), ("motion", 12.5)])
def test_what_an_order_blind_oracle_of_the_content_reaches(task: str, blind_percent: float) -> None:
    """The oracle is given the thirds of a video as a set. A motion without the order of its frames is a change without its sign."""
    contents = Counter(
        frozenset((third.kinds, third.motion and third.motion.change) for third in scene_class.thirds)
        for scene_class in scene_classes(task)
    )
    best = 100 * len(contents) / sum(contents.values())  # it names one of the classes that share a content
    assert best == pytest.approx(blind_percent)


@pytest.mark.parametrize(("task", "one_frame_percent"), [("composition", 20.0), ("order", 100 / 6), ("shape", 20.0), ("motion", 12.5)])
def test_what_an_oracle_of_one_frame_reaches(task: str, one_frame_percent: float) -> None:
    """The oracle is given what a frame of a random third shows, without the number of the frame."""
    shown = Counter(
        (third.kinds, third.motion and third.motion.change) for scene_class in scene_classes(task) for third in scene_class.thirds
    )
    best = 100 * len(shown) / sum(shown.values())
    assert best == pytest.approx(one_frame_percent)
