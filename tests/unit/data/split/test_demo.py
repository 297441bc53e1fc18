"""The demo's node: what it gives, and how it tells of figures out of range."""

from __future__ import annotations

from pathlib import Path

import pytest

from vclr_pl.data.demo.scene import Appearance
from vclr_pl.data.split.demo import demo
from vclr_pl.types import InputError

APPEARANCE = Appearance(
    copies=4,
    hue_spread=0.08,
    radius_fraction=(0.09, 0.15),
    background_saturation=0.4,
    stripe_contrast=0.08,
    speed_fraction=0.04,
    exposure_range=(0.7, 1.2),
    contrast_range=(0.7, 1.3),
)
FIGURES = {"seed": 0, "train_videos_per_class": 2, "test_videos_per_class": 1, "frames": 6, "size_pixels": 32}


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
