"""`data=demo`: the demo's videos, rendered into a folder of their own at first use."""

from __future__ import annotations

import re
from pathlib import Path

from vclr_pl.datasets.demo.rendering import SHOTS_PER_THIRD, THIRDS, Appearance, DemoSettings, render_set
from vclr_pl.datasets.manifest import VideoSplits
from vclr_pl.datasets.ucf101 import ucf101
from vclr_pl.types import InputError

RENDERED = re.compile(r"seed\d+-[0-9a-f]{8}")  # the folders of rendered sets


def require_own_cache(root: Path, *, key: str, own_videos: str) -> None:
    """
    Args:
        root: where sets are rendered.
        key: the option that names it.
        own_videos: the options with which a user's videos are read.

    Raises:
        InputError: `root` is a file, or holds something else than rendered sets.
    """
    if root.is_dir():
        names = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith("."))  # .DS_Store of macOS
        strange = next((name for name in names if not RENDERED.fullmatch(name)), None)
    else:
        strange = root.name if root.exists() else None
    if strange is not None:
        raise InputError(
            expected=f"an empty folder to render the demo's videos into, at {key}",
            got=f"{root}, which holds {strange}" if root.is_dir() else f"the file {root}",
            hint=f"For videos of your own: {own_videos}.",
        )


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
        raise InputError(expected=f"{key} to be {expected}", got=str(value), hint=f"Set {key}=NUMBER.")
