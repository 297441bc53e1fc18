"""The six shapes at points whose side can be told by eye.
The classes are a balanced design, and the layout is UCF101's.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain, combinations

import numpy as np
import pytest

from vclr_pl.datasets.demo.catalog import CLASS_KINDS, KINDS, class_names, list_files, plan_videos

# (u, v) in radii: inside and outside points of each kind
POINTS = {
    "Disc": ([(0, 0), (0.95, 0), (-0.6, 0.6)], [(1.05, 0), (0.8, 0.8)]),
    "Plus": ([(0, 0), (0.9, 0.2), (0.2, -0.9)], [(0.5, 0.5), (1.05, 0), (0.4, 0.9)]),
    "Ring": ([(0.8, 0), (0, -0.7), (0.95, 0)], [(0, 0), (0.5, 0), (1.05, 0)]),
    "Triangle": ([(0, 0), (0, 1.1), (0.9, -0.5)], [(0, 1.25), (0.9, 0.5), (0, -0.7)]),
    "Bars": ([(0, 0), (0.9, 0.75), (-0.9, -0.8)], [(0, 0.4), (0, 1.0), (1.05, 0)]),
    "Square": ([(0.75, 0), (0.85, 0.85), (-0.6, 0.2)], [(0, 0), (0.5, 0.5), (0.95, 0)]),
}


def test_the_six_kinds_have_names_of_their_own() -> None:
    assert [name for name, _ in KINDS] == list(POINTS)


@pytest.mark.parametrize(("name", "signed_distance"), KINDS, ids=[name for name, _ in KINDS])
def test_sign_is_negative_inside_and_positive_outside(name: str, signed_distance) -> None:
    radius_pixels = 7.0
    for points, sign in zip(POINTS[name], (-1, 1), strict=True):
        u, v = (radius_pixels * np.array(points, dtype=np.float32)).T
        assert np.sign(signed_distance(u, v, radius_pixels)).tolist() == [sign] * len(points)


@pytest.mark.parametrize("signed_distance", [shape for _, shape in KINDS], ids=[name for name, _ in KINDS])
def test_distance_stays_single_precision_and_grows_at_most_a_pixel_a_pixel(signed_distance) -> None:
    row = np.linspace(-12, 12, 241, dtype=np.float32)
    v, u = np.meshgrid(row, row, indexing="ij")
    distance = signed_distance(u, v, 6.0)
    assert distance.dtype == np.float32
    assert np.abs(np.diff(distance, axis=1)).max() <= 0.1 + 1e-4


def test_one_kind_leaves_five_classes_and_two_kinds_leave_two() -> None:
    assert len(set(CLASS_KINDS)) == 10
    assert Counter(chain.from_iterable(CLASS_KINDS)) == dict.fromkeys(range(6), 5)
    assert Counter(pair for kinds in CLASS_KINDS for pair in combinations(kinds, 2)) == dict.fromkeys(combinations(range(6), 2), 2)


def test_class_names_are_the_sorted_names_of_their_kinds() -> None:
    assert class_names() == [
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


def test_test_groups_stand_first_and_training_groups_from_the_eighth() -> None:
    videos = plan_videos(train_videos_per_class=6, test_videos_per_class=2)
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
    videos = plan_videos(train_videos_per_class=1, test_videos_per_class=41)
    assert {video.group for video in videos if video.training} == {10}
    assert max(video.group for video in videos if not video.training) == 9
    assert len({video.listed_path for video in videos}) == len(videos) == 420


def test_every_video_is_seeded_on_its_own_and_keeps_its_seed_when_more_are_asked_for() -> None:
    few = plan_videos(train_videos_per_class=2, test_videos_per_class=1)
    many = plan_videos(train_videos_per_class=9, test_videos_per_class=40)
    assert len({video.entropy for video in many}) == len(many)
    assert {(video.class_name, video.training, video.index): video.entropy for video in few}.items() <= {
        (video.class_name, video.training, video.index): video.entropy for video in many
    }.items()


def test_lists_number_classes_from_one_and_name_labels_in_training_only() -> None:
    files = list_files(plan_videos(train_videos_per_class=1, test_videos_per_class=1))
    assert files["classInd.txt"].splitlines()[:2] == ["1 BarsDiscRing", "2 BarsDiscSquare"]
    assert files["trainlist01.txt"].splitlines()[1] == "BarsDiscSquare/v_BarsDiscSquare_g08_c01.mp4 2"
    assert files["testlist01.txt"].splitlines()[1] == "BarsDiscSquare/v_BarsDiscSquare_g01_c01.mp4"
    assert [len(text.splitlines()) for text in files.values()] == [10, 10, 10]
