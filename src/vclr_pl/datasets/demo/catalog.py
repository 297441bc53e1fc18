"""The plan of a demo set: its videos, their seeds, and UCF101's lists.

UCF-101/BarsDiscRing/v_BarsDiscRing_g08_c01.mp4        groups 1.. for the test list, 8.. for the training list
ucfTrainTestlist/{classInd,trainlist01,testlist01}.txt
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from vclr_pl.datasets.demo.tasks import SceneClass, scene_classes

VIDEO_FOLDER = "UCF-101"
LIST_FOLDER = "ucfTrainTestlist"
CLIPS_PER_GROUP = 5
FIRST_TRAINING_GROUP = 8  # as in UCF101's first split


@dataclass(frozen=True, kw_only=True)
class PlannedVideo:
    """One video to render: its class, its list, and the numbers that seed it."""

    scene_class: SceneClass
    group: int
    clip: int
    training: bool
    index: int  # index within its class and list: more videos do not change the existing ones

    @property
    def listed_path(self) -> PurePosixPath:
        """Path in the lists, relative to the video folder."""
        name = self.scene_class.name
        return PurePosixPath(name) / f"v_{name}_g{self.group:02d}_c{self.clip:02d}.mp4"

    @property
    def entropy(self) -> tuple[int, ...]:
        """The seed of the video, after the seed of the set."""
        return (*self.scene_class.entropy, int(self.training), self.index)


def plan_videos(*, task: str, train_videos_per_class: int, test_videos_per_class: int) -> list[PlannedVideo]:
    """All videos, by class; test videos first, because their groups have the lowest numbers."""
    first_training_group = max(FIRST_TRAINING_GROUP, -(-test_videos_per_class // CLIPS_PER_GROUP) + 1)
    parts = ((False, 1, test_videos_per_class), (True, first_training_group, train_videos_per_class))
    return [
        PlannedVideo(
            scene_class=scene_class,
            group=first_group + index // CLIPS_PER_GROUP,
            clip=index % CLIPS_PER_GROUP + 1,
            training=training,
            index=index,
        )
        for scene_class in scene_classes(task)
        for training, first_group, videos in parts
        for index in range(videos)
    ]


def list_files(videos: list[PlannedVideo]) -> dict[str, str]:
    """Text of UCF101's lists by file name: class indices from 1, training lines with them, test lines without."""
    names = sorted({video.scene_class.name for video in videos})
    number = {name: index + 1 for index, name in enumerate(names)}
    return {
        "classInd.txt": _lines(f"{number[name]} {name}" for name in names),
        "trainlist01.txt": _lines(f"{video.listed_path} {number[video.scene_class.name]}" for video in videos if video.training),
        "testlist01.txt": _lines(str(video.listed_path) for video in videos if not video.training),
    }


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
