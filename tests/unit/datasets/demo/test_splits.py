"""Rendering stays out of folders that hold anything else.
The demo's node: what it gives, and how it tells of figures out of range.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vclr_pl.datasets.demo.drawing import Appearance
from vclr_pl.datasets.demo.rendering import DemoSettings
from vclr_pl.datasets.demo.splits import demo, require_own_cache
from vclr_pl.types import InputError


def require(root: Path) -> None:
    require_own_cache(root, key="data.root", own_videos="experiment=folder data.root=DIR")


def test_an_absent_an_empty_and_a_rendered_folder_serve(tmp_path: Path) -> None:
    ranges = {"radius_fraction": (0.1, 0.2), "exposure_range": (1, 1), "contrast_range": (1, 1)}
    appearance = Appearance(copies=4, hue_spread=0, background_saturation=0, stripe_contrast=0, speed_fraction=0, gray=False, **ranges)
    sizes = {"task": "composition", "train_videos_per_class": 1, "test_videos_per_class": 1, "frames": 6, "size_pixels": 32}
    require(tmp_path / "absent")
    require(tmp_path)
    (tmp_path / DemoSettings(seed=12, appearance=appearance, **sizes).folder_name).mkdir()
    (tmp_path / ".DS_Store").touch()
    require(tmp_path)


@pytest.mark.parametrize("name", ["holiday.mp4", "seed0", "train/a.mp4"])
def test_a_folder_with_anything_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "seed0-1a2b3c4d").mkdir()
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(InputError, match=r"contains .*To read your own videos, use experiment=folder data\.root=DIR"):
        require(tmp_path)
    with pytest.raises(InputError, match="the file"):
        require(path)


APPEARANCE = Appearance(
    copies=4,
    hue_spread=0.08,
    radius_fraction=(0.09, 0.15),
    background_saturation=0.4,
    stripe_contrast=0.08,
    speed_fraction=0.04,
    exposure_range=(0.7, 1.2),
    contrast_range=(0.7, 1.3),
    gray=False,
)
FIGURES = {"task": "composition", "seed": 0, "train_videos_per_class": 2, "test_videos_per_class": 1, "frames": 6, "size_pixels": 32}


def test_it_renders_and_reads_both_lists(tmp_path: Path) -> None:
    splits = demo(root=tmp_path, appearance=APPEARANCE, **FIGURES)
    assert splits.published
    assert list(splits.train.labels) == [label for label in range(10) for _ in range(2)]
    assert list(splits.test.labels) == list(range(10))
    assert list(splits.train.class_names)[:2] == ["BarsDiscRing", "BarsDiscSquare"]
    names = [Path(splits.test.path(index)).name for index in range(10)]
    assert names[:2] == ["v_BarsDiscRing_g01_c01.mp4", "v_BarsDiscSquare_g01_c01.mp4"]
    assert all(Path(split.path(index)).is_file() for split in (splits.train, splits.test) for index in range(len(split)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("train_videos_per_class", 0),
        ("test_videos_per_class", 0),
        ("frames", 5),
        ("size_pixels", 14),
        ("size_pixels", 57),
    ],
)
def test_a_figure_out_of_range_is_told_by_its_key(tmp_path: Path, key: str, value: int) -> None:
    with pytest.raises(InputError, match=f"expected data.{key} to be .*; got {value}. Set data.{key}="):
        demo(root=tmp_path, appearance=APPEARANCE, **{**FIGURES, key: value})
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_task_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected data\.task to be one of composition, order, shape, motion, arrow; got untrimmed"):
        demo(root=tmp_path, appearance=APPEARANCE, **{**FIGURES, "task": "untrimmed"})


def test_order_takes_thirds_of_equal_length_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected data\.frames to be a multiple of 3 for data\.task=order; got 16"):
        demo(root=tmp_path, appearance=APPEARANCE, **{**FIGURES, "task": "order", "frames": 16})
    assert len(demo(root=tmp_path, appearance=APPEARANCE, **{**FIGURES, "task": "order"}).test) == 6
