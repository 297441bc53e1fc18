"""`data=demo`: the demo's videos, rendered into a separate folder at first use."""

from __future__ import annotations

import re
from pathlib import Path

from vclr_pl.datasets.demo.drawing import SHOTS_PER_THIRD, THIRDS, Appearance
from vclr_pl.datasets.demo.rendering import DemoSettings, render_set
from vclr_pl.datasets.demo.tasks import COMPOSITION, ORDER, TASKS
from vclr_pl.datasets.manifest import VideoSplits
from vclr_pl.datasets.ucf101 import ucf101
from vclr_pl.types import InputError

RENDERED = re.compile(r"seed\d+-[0-9a-f]{8}")  # folder names of rendered sets


def require_own_cache(root: Path, *, key: str, own_videos: str) -> None:
    """Check that `root` contains only rendered sets.

    Args:
        root: folder of the rendered sets.
        key: the option that names the folder.
        own_videos: options to read the user's own videos.

    Raises:
        InputError: `root` is a file, or contains other files.
    """
    if root.is_dir():
        names = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith("."))  # .DS_Store of macOS
        strange = next((name for name in names if not RENDERED.fullmatch(name)), None)
    else:
        strange = root.name if root.exists() else None
    if strange is not None:
        raise InputError(
            expected=f"{key} to be an empty or new folder, for the demo's rendered videos",
            got=f"{root}, which contains {strange}" if root.is_dir() else f"the file {root}",
            hint=f"To read your own videos, use {own_videos}.",
        )


LEAST_FRAMES = THIRDS * SHOTS_PER_THIRD
LEAST_SIZE_PIXELS = 16  # the smallest frame for the H.264 encoder


def demo(
    *,
    root: str | Path,
    seed: int,
    train_videos_per_class: int,
    test_videos_per_class: int,
    frames: int,
    size_pixels: int,
    appearance: Appearance,
    task: str = COMPOSITION,  # configs of earlier versions lack it
) -> VideoSplits:
    """Procedural videos of a task below `root`, one folder for each seed and setting.

    Args:
        root: folder that contains only rendered sets; created if missing, and safe to delete.
        seed: seed of all random choices.
        frames: frames of a video; at least one per shot, with two shots in each third. For the task `order` a multiple
            of 3: the number of frames of a kind would reveal its place.
        size_pixels: height and width, even.
        task: what defines the classes, a name of `tasks.TASKS`.

    Raises:
        InputError: a value out of range, or a `root` with other files in it.
    """
    if task not in TASKS:
        raise InputError(expected=f"data.task to be one of {', '.join(TASKS)}", got=str(task), hint="Set data.task=NAME.")
    _check("data.seed", seed, seed >= 0, "0 or more")
    _check("data.train_videos_per_class", train_videos_per_class, train_videos_per_class >= 1, "1 or more")
    _check("data.test_videos_per_class", test_videos_per_class, test_videos_per_class >= 1, "1 or more")
    _check("data.frames", frames, frames >= LEAST_FRAMES, f"{LEAST_FRAMES} or more, one for each shot")
    _check("data.frames", frames, task != ORDER or frames % THIRDS == 0, f"a multiple of {THIRDS} for data.task={ORDER}")
    _check("data.size_pixels", size_pixels, size_pixels >= LEAST_SIZE_PIXELS and size_pixels % 2 == 0, f"even, {LEAST_SIZE_PIXELS} or more")
    require_own_cache(Path(root), key="data.root", own_videos="experiment=folder data.root=DIR")
    settings = DemoSettings(
        task=task,
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
