"""The plan of a set: groups, seeds and lists as in UCF101."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vclr_pl.datasets.demo.catalog import list_files, plan_videos
from vclr_pl.datasets.demo.tasks import TASKS, scene_classes


def test_test_groups_stand_first_and_training_groups_from_the_eighth() -> None:
    videos = plan_videos(task="composition", train_videos_per_class=6, test_videos_per_class=2)
    assert [str(video.listed_path) for video in videos[:8]] == [
        "BarsDiscRing/v_BarsDiscRing_g01_c01.mp4",
        "BarsDiscRing/v_BarsDiscRing_g01_c02.mp4",
        "BarsDiscRing/v_BarsDiscRing_g08_c01.mp4",
        "BarsDiscRing/v_BarsDiscRing_g08_c02.mp4",
        "BarsDiscRing/v_BarsDiscRing_g08_c03.mp4",
        "BarsDiscRing/v_BarsDiscRing_g08_c04.mp4",
        "BarsDiscRing/v_BarsDiscRing_g08_c05.mp4",
        "BarsDiscRing/v_BarsDiscRing_g09_c01.mp4",
    ]


def test_many_test_videos_push_the_training_groups_on() -> None:
    videos = plan_videos(task="composition", train_videos_per_class=1, test_videos_per_class=41)
    assert {video.group for video in videos if video.training} == {10}
    assert max(video.group for video in videos if not video.training) == 9
    assert len({video.listed_path for video in videos}) == len(videos) == 420


def test_every_video_is_seeded_on_its_own_and_keeps_its_seed_when_more_are_asked_for() -> None:
    few = plan_videos(task="composition", train_videos_per_class=2, test_videos_per_class=1)
    many = plan_videos(task="composition", train_videos_per_class=9, test_videos_per_class=40)
    assert len({video.entropy for video in many}) == len(many)
    assert {(video.scene_class.name, video.training, video.index): video.entropy for video in few}.items() <= {
        (video.scene_class.name, video.training, video.index): video.entropy for video in many
    }.items()


def test_lists_number_classes_from_one_and_name_labels_in_training_only() -> None:
    files = list_files(plan_videos(task="composition", train_videos_per_class=1, test_videos_per_class=1))
    assert files["classInd.txt"].splitlines()[:2] == ["1 BarsDiscRing", "2 BarsDiscSquare"]
    assert files["trainlist01.txt"].splitlines()[1] == "BarsDiscSquare/v_BarsDiscSquare_g08_c01.mp4 2"
    assert files["testlist01.txt"].splitlines()[1] == "BarsDiscSquare/v_BarsDiscSquare_g01_c01.mp4"
    assert [len(text.splitlines()) for text in files.values()] == [10, 10, 10]


@pytest.mark.parametrize("task", TASKS)
def test_every_class_of_a_task_has_as_many_videos(task: str) -> None:
    videos = plan_videos(task=task, train_videos_per_class=4, test_videos_per_class=3)
    counts = Counter((video.scene_class.name, video.training) for video in videos)
    assert counts == {
        (scene_class.name, training): 4 if training else 3 for scene_class in scene_classes(task) for training in (False, True)
    }
    assert len({video.listed_path for video in videos}) == len(videos)


def test_no_two_videos_of_all_tasks_have_a_seed_in_common() -> None:
    videos = [video for task in TASKS for video in plan_videos(task=task, train_videos_per_class=40, test_videos_per_class=15)]
    assert (
        len({tuple(np.random.SeedSequence((0, *video.entropy)).generate_state(4)) for video in videos})
        == len(videos)
        == 55 * (10 + 6 + 10 + 8 + 10)
    )
