"""Oracles of the demo: the best accuracy of a reader that knows what each frame shows.

A frame's state is the kind of its objects and, in the task `motion`, what changes and how far the change has come (the frame's distance
from the middle of its shot). What is drawn independently of the class (positions, backgrounds, brightness, and in `motion` the kinds) is
left out.
A reader's signature of a video is all that it can see: the state of one random frame, the states without their order, or their
sequence. The best reader names the most likely class of a signature, so its accuracy follows from the joint counts of class and signature.

Legend: T frames.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from fractions import Fraction
from itertools import permutations, product

from vclr_pl.datasets.demo.drawing import SHOTS_PER_THIRD, THIRDS
from vclr_pl.datasets.demo.tasks import SceneClass, Third, scene_classes

State = tuple[int, int, int]  # kind, what changes (0: nothing), half steps from the middle of the shot
States = tuple[State, ...]
ANY_KIND = -1  # drawn for each shot from the same kinds in every class


class Reader(Enum):
    """What an oracle sees of a video."""

    FRAME = "one frame"  # a random one, without its place
    BAG = "frames without order"
    VIDEO = "whole video"


def oracle_percent(task: str, reader: Reader, *, frames: int) -> Fraction:
    """Accuracy of the best reader, percent, exact; all classes are equally likely.

    Args:
        task: a name of `tasks.TASKS`.
        reader: what is seen of a video.
        frames: frames of a video.
    """
    signatures = [_signatures(scene_class, reader, frames=frames) for scene_class in scene_classes(task)]
    known: set[object] = set().union(*signatures)
    right = sum(max(counts[signature] for counts in signatures) for signature in known)
    return Fraction(100 * right, sum(counts.total() for counts in signatures))


def chance_percent(task: str) -> Fraction:
    """Accuracy of a guess, percent."""
    return Fraction(100, len(scene_classes(task)))


def _signatures(scene_class: SceneClass, reader: Reader, *, frames: int) -> Counter[object]:
    """What the reader sees of a class, with its count; the total is the same for all classes of a task."""
    lengths = [frames * (third + 1) // THIRDS - frames * third // THIRDS for third in range(THIRDS)]
    orders = [scene_class.thirds] if scene_class.in_order else permutations(scene_class.thirds)
    counts: Counter[object] = Counter()
    for thirds in orders:
        for parts in product(*(_third_states(third, length) for third, length in zip(thirds, lengths, strict=True))):
            states: States = sum(parts, ())
            if reader is Reader.FRAME:
                counts.update(states)
            else:
                counts[states if reader is Reader.VIDEO else tuple(sorted(states))] += 1
    return counts


def _third_states(third: Third, frames: int) -> list[States]:
    """The equally likely outcomes of a third: the places of its cut."""
    half, odd = divmod(frames, SHOTS_PER_THIRD)
    return [_shot_states(third, half + extra) + _shot_states(third, frames - half - extra) for extra in range(1 + odd)]


def _shot_states(third: Third, frames: int) -> States:
    kind = third.kinds[0] if len(third.kinds) == 1 else ANY_KIND
    if third.motion is None:
        return ((kind, 0, 0),) * frames
    return tuple((kind, third.motion.change.value, third.motion.sign * (2 * frame - (frames - 1))) for frame in range(frames))
