"""Content of the demo's videos: objects, classes, and the plan of a set.

Legend: `u_*` and `v_*` are coordinates in the object's rotated frame, in pixels; any shape, elementwise.

UCF-101/BarsDiscRing/v_BarsDiscRing_g08_c01.mp4        groups 1.. for the test list, 8.. for the training list
ucfTrainTestlist/{classInd,trainlist01,testlist01}.txt
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
SignedDistance = Callable[[Field, Field, float], Field]


def disc(u: Field, v: Field, radius_pixels: float) -> Field:
    """A filled circle."""
    return np.hypot(u, v) - np.float32(radius_pixels)


def plus(u: Field, v: Field, radius_pixels: float) -> Field:
    """Two crossed beams, each 0.6 radii thick."""
    width, height = np.abs(u), np.abs(v)
    thickness = np.float32(0.3 * radius_pixels)
    lying, standing = np.maximum(width - radius_pixels, height - thickness), np.maximum(width - thickness, height - radius_pixels)
    return np.minimum(lying, standing)


def ring(u: Field, v: Field, radius_pixels: float) -> Field:
    """A circle's outline, 0.4 radii thick."""
    return np.abs(np.hypot(u, v) - np.float32(0.8 * radius_pixels)) - np.float32(0.2 * radius_pixels)


def triangle(u: Field, v: Field, radius_pixels: float) -> Field:
    """A filled equilateral triangle with corners 1.2 radii from its center."""
    half, side = np.float32(0.6 * radius_pixels), np.float32(np.sqrt(3.0) / 2.0)
    return np.maximum(-v, np.abs(u) * side + v * np.float32(0.5)) - half


def bars(u: Field, v: Field, radius_pixels: float) -> Field:
    """Three parallel bars, each 0.36 radii thick, 0.75 radii apart."""
    spacing = np.float32(0.75 * radius_pixels)
    nearest = np.clip(np.rint(v / spacing), -1.0, 1.0) * spacing
    distance: Field = np.maximum(np.abs(u) - np.float32(radius_pixels), np.abs(v - nearest) - np.float32(0.18 * radius_pixels))
    return distance


def hollow_square(u: Field, v: Field, radius_pixels: float) -> Field:
    """A square's outline, 0.34 radii thick."""
    return np.abs(np.maximum(np.abs(u), np.abs(v)) - np.float32(0.75 * radius_pixels)) - np.float32(0.17 * radius_pixels)


KINDS: tuple[tuple[str, SignedDistance], ...] = (
    ("Disc", disc),
    ("Plus", plus),
    ("Ring", ring),
    ("Triangle", triangle),
    ("Bars", bars),
    ("Square", hollow_square),
)


VIDEO_FOLDER = "UCF-101"
LIST_FOLDER = "ucfTrainTestlist"
CLIPS_PER_GROUP = 5
FIRST_TRAINING_GROUP = 8  # as in UCF101's first split

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


@dataclass(frozen=True, kw_only=True)
class PlannedVideo:
    """One video to render: its class, its list, and the numbers that seed it."""

    class_name: str
    kinds: tuple[int, int, int]
    group: int
    clip: int
    training: bool
    index: int  # index within its class and list: more videos do not change the existing ones

    @property
    def listed_path(self) -> PurePosixPath:
        """Path in the lists, relative to the video folder."""
        return PurePosixPath(self.class_name) / f"v_{self.class_name}_g{self.group:02d}_c{self.clip:02d}.mp4"

    @property
    def entropy(self) -> tuple[int, ...]:
        """The seed of the video, after the seed of the set."""
        return (*self.kinds, int(self.training), self.index)


def class_names() -> list[str]:
    """Class names by label, alphabetical as in UCF101."""
    return sorted(_class_name(kinds) for kinds in CLASS_KINDS)


def plan_videos(*, train_videos_per_class: int, test_videos_per_class: int) -> list[PlannedVideo]:
    """All videos, by class; test videos first, because their groups have the lowest numbers."""
    first_training_group = max(FIRST_TRAINING_GROUP, -(-test_videos_per_class // CLIPS_PER_GROUP) + 1)
    parts = ((False, 1, test_videos_per_class), (True, first_training_group, train_videos_per_class))
    return [
        PlannedVideo(
            class_name=_class_name(kinds),
            kinds=kinds,
            group=first_group + index // CLIPS_PER_GROUP,
            clip=index % CLIPS_PER_GROUP + 1,
            training=training,
            index=index,
        )
        for kinds in sorted(CLASS_KINDS, key=_class_name)
        for training, first_group, videos in parts
        for index in range(videos)
    ]


def list_files(videos: list[PlannedVideo]) -> dict[str, str]:
    """Text of UCF101's lists by file name: class indices from 1, training lines with them, test lines without."""
    names = class_names()
    number = {name: index + 1 for index, name in enumerate(names)}
    return {
        "classInd.txt": _lines(f"{number[name]} {name}" for name in names),
        "trainlist01.txt": _lines(f"{video.listed_path} {number[video.class_name]}" for video in videos if video.training),
        "testlist01.txt": _lines(str(video.listed_path) for video in videos if not video.training),
    }


def _class_name(kinds: tuple[int, int, int]) -> str:
    return "".join(sorted(KINDS[kind][0] for kind in kinds))


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
