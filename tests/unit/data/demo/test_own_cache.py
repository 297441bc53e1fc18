"""Rendering stays out of folders that hold anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from vclr_pl.data.demo.own_cache import require_own_cache
from vclr_pl.data.demo.rendering import DemoSettings
from vclr_pl.data.demo.scene import Appearance
from vclr_pl.types import InputError


def require(root: Path) -> None:
    require_own_cache(root, key="data.root", own_videos="experiment=folder data.root=DIR")


def test_an_absent_an_empty_and_a_rendered_folder_serve(tmp_path: Path) -> None:
    ranges = {"radius_fraction": (0.1, 0.2), "exposure_range": (1, 1), "contrast_range": (1, 1)}
    appearance = Appearance(copies=4, hue_spread=0, background_saturation=0, stripe_contrast=0, speed_fraction=0, **ranges)
    sizes = {"train_videos_per_class": 1, "test_videos_per_class": 1, "frames": 6, "size_pixels": 32}
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
    with pytest.raises(InputError, match=r"holds .*For videos of your own: experiment=folder data\.root=DIR"):
        require(tmp_path)
    with pytest.raises(InputError, match="the file"):
        require(path)
