"""The demo renders into its own folder, never among a user's files."""

from __future__ import annotations

import re
from pathlib import Path

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
            remedy=f"For videos of your own: {own_videos}.",
        )
