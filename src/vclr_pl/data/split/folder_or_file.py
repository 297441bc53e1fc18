"""A folder of videos, or a single one: what a query is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vclr_pl.data.manifest import Manifest, VideoSplits
from vclr_pl.data.split.folder import folder


def folder_or_file(*, root: str | Path, class_folders: bool = True, split_folders: Sequence[str] | None = None) -> VideoSplits:
    """One video without a label where `root` is a file, whatever its suffix; else as `folder`.

    Raises:
        InputError: a missing or empty folder, one without videos, or one that can be understood in two ways.
    """
    path = Path(root).expanduser()
    if path.is_file():
        return VideoSplits(train=Manifest.from_pairs([(str(path.absolute()), None)]))
    return folder(root=path, class_folders=class_folders, split_folders=split_folders)
