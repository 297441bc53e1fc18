"""The demo's split: renders the procedural set where it is missing, then reads it as UCF101."""

from __future__ import annotations

from pathlib import Path

from vclr_pl.data.demo.own_cache import require_own_cache
from vclr_pl.data.demo.rendering import DemoSettings, render_set
from vclr_pl.data.demo.scene import SHOTS_PER_THIRD, THIRDS, Appearance
from vclr_pl.data.manifest import VideoSplits
from vclr_pl.data.split.ucf101 import ucf101
from vclr_pl.types import InputError

LEAST_FRAMES = THIRDS * SHOTS_PER_THIRD
LEAST_SIZE_PIXELS = 16  # the smallest frame that the H.264 encoder takes


def demo(
    *,
    root: str | Path,
    seed: int,
    train_videos_per_class: int,
    test_videos_per_class: int,
    frames: int,
    size_pixels: int,
    appearance: Appearance,
) -> VideoSplits:
    """Ten classes of procedural videos below `root`, one folder for each seed and setting.

    Args:
        root: folder of the rendered sets alone; made where missing, and safe to delete.
        seed: of everything that is drawn.
        frames: in a video; at least one for each of two shots a third.
        size_pixels: height and width, even.

    Raises:
        InputError: a figure out of range, or a `root` with other files in it.
    """
    _check("data.seed", seed, seed >= 0, "0 or more")
    _check("data.train_videos_per_class", train_videos_per_class, train_videos_per_class >= 1, "1 or more")
    _check("data.test_videos_per_class", test_videos_per_class, test_videos_per_class >= 1, "1 or more")
    _check("data.frames", frames, frames >= LEAST_FRAMES, f"{LEAST_FRAMES} or more, one for each shot")
    _check("data.size_pixels", size_pixels, size_pixels >= LEAST_SIZE_PIXELS and size_pixels % 2 == 0, f"even, {LEAST_SIZE_PIXELS} or more")
    require_own_cache(Path(root), key="data.root", own_videos="experiment=folder data.root=DIR")
    settings = DemoSettings(
        seed=seed,
        train_videos_per_class=train_videos_per_class,
        test_videos_per_class=test_videos_per_class,
        frames=frames,
        size_pixels=size_pixels,
        appearance=appearance,
    )
    return ucf101(root=render_set(root=Path(root), settings=settings), split=1)


def _check(key: str, value: int, holds: bool, expected: str) -> None:
    if not holds:
        raise InputError(expected=f"{key} to be {expected}", got=str(value), remedy=f"Set {key}=NUMBER.")
