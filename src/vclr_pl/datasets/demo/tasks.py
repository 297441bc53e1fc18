"""The tasks of the demo: which classes a set has, and what the thirds of a video of a class show.

composition  the class is the set of three kinds of objects, one kind a third, in an order drawn for each video
order        the class is the order of the same three kinds: the frames without their order hold no class
arrow        the classes of composition, but the kinds come in one order that all videos share, as an arrow of time: the
             temporal order term can learn it, which it cannot where every order is equally likely
shape        the classes of composition, but hues are drawn from the whole circle for each shot: only the form
             tells the kinds apart
motion       the class is how objects move: left or right, then growing or shrinking, then turning clockwise or
             counterclockwise; the kind and the hue are drawn for each shot. The frames of a shot in reverse order are a
             shot of the opposite direction, so the frames without their order hold no class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import permutations, product

from vclr_pl.datasets.demo.kinds import KINDS

# The 2-(6, 3, 2) block design: every kind is in five classes and every pair of kinds in two,
# so that one frame is compatible with five classes, and two thirds of a video with two.
CLASS_KINDS: tuple[tuple[int, int, int], ...] = (
    (0, 1, 2),
    (0, 1, 3),
    (0, 2, 4),
    (0, 3, 5),
    (0, 4, 5),
    (1, 2, 5),
    (1, 3, 4),
    (1, 4, 5),
    (2, 3, 4),
    (2, 3, 5),
)
ORDERED_KINDS = (0, 2, 4)  # a third of the color circle apart
TURNING_KINDS = (1, 3, 4, 5)  # a disc and a ring look the same at every angle


class Change(Enum):
    """What changes from frame to frame in a third of the task `motion`."""

    POSITION = auto()
    SIZE = auto()
    ANGLE = auto()


@dataclass(frozen=True, kw_only=True)
class Motion:
    """A motion that defines a class.

    Args:
        change: what changes.
        sign: 1 is to the right, growing, clockwise; -1 the opposite.
    """

    change: Change
    sign: int


@dataclass(frozen=True, kw_only=True)
class Third:
    """What a third of a video shows.

    Args:
        kinds: the kind of its objects; of several, one is drawn for each shot.
        motion: the motion of all objects; None is a small random motion of each.
    """

    kinds: tuple[int, ...]
    motion: Motion | None = None


@dataclass(frozen=True, kw_only=True)
class SceneClass:
    """A class of videos.

    Args:
        name: name of the class.
        thirds: what the thirds show.
        in_order: the thirds come in this order; otherwise in an order drawn for each video.
        any_hue: hues come from the whole color circle, not from the part of the kind.
        entropy: the part of a video's seed that is the class's own.
    """

    name: str
    thirds: tuple[Third, Third, Third]
    in_order: bool
    any_hue: bool
    entropy: tuple[int, ...]


def composition_class(kinds: tuple[int, int, int]) -> SceneClass:
    """Three kinds in any order."""
    return SceneClass(
        name="".join(sorted(KINDS[kind][0] for kind in kinds)), thirds=_shown(kinds), in_order=False, any_hue=False, entropy=kinds
    )


def _order_class(kinds: tuple[int, int, int]) -> SceneClass:
    name = "".join(KINDS[kind][0] for kind in kinds)
    return SceneClass(name=name, thirds=_shown(kinds), in_order=True, any_hue=False, entropy=(10, *kinds))


def _motion_class(signs: tuple[int, int, int]) -> SceneClass:
    words = (("Left", "Right"), ("Shrink", "Grow"), ("Counterclockwise", "Clockwise"))
    first, second, third = (
        Third(kinds=TURNING_KINDS, motion=Motion(change=change, sign=sign)) for change, sign in zip(Change, signs, strict=True)
    )
    return SceneClass(
        name="".join(pair[sign > 0] for pair, sign in zip(words, signs, strict=True)),
        thirds=(first, second, third),
        in_order=True,
        any_hue=True,
        entropy=(12, *(int(sign > 0) for sign in signs)),
    )


def _shown(kinds: tuple[int, int, int]) -> tuple[Third, Third, Third]:
    first, second, third = (Third(kinds=(kind,)) for kind in kinds)
    return first, second, third


def _composition() -> list[SceneClass]:
    return [composition_class(kinds) for kinds in CLASS_KINDS]


def _order() -> list[SceneClass]:
    return [_order_class((first, second, third)) for first, second, third in permutations(ORDERED_KINDS)]


def _shape() -> list[SceneClass]:
    return [replace(scene_class, any_hue=True, entropy=(11, *scene_class.entropy)) for scene_class in _composition()]


def _arrow() -> list[SceneClass]:
    return [replace(scene_class, in_order=True, entropy=(13, *scene_class.entropy)) for scene_class in _composition()]


def _motion() -> list[SceneClass]:
    return [_motion_class((travel, growth, turn)) for travel, growth, turn in product((-1, 1), repeat=3)]


COMPOSITION, ORDER = "composition", "order"
TASKS: dict[str, Callable[[], list[SceneClass]]] = {
    COMPOSITION: _composition,
    ORDER: _order,
    "shape": _shape,
    "motion": _motion,
    "arrow": _arrow,
}


def scene_classes(task: str) -> list[SceneClass]:
    """The classes of a task by label, alphabetical as in UCF101."""
    return sorted(TASKS[task](), key=lambda scene_class: scene_class.name)
