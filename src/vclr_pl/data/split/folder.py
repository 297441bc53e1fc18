"""Any folder of videos, with class subfolders or none."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from vclr_pl.data.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.data.split.split_folders import left_out, split_folders_of
from vclr_pl.data.split.video_scan import data_folder, distinct_videos, few, no_videos, subfolders
from vclr_pl.types import InputError

log = logging.getLogger(__name__)


def folder(*, root: str | Path, class_folders: bool = True, split_folders: Sequence[str] | None = None) -> VideoSplits:
    """Every video below `root`, however deep.

    Args:
        class_folders: the folders with videos are classes, where there are two or more. False: there are no labels.
        split_folders: the folders of the splits, [train] or [train, test]; [] for none; None finds them by their names, in any case:
            `train` or `training`, with `test`, `val` or the like.

    Raises:
        InputError: a missing or empty folder, one without videos, or one that can be understood in two ways.
    """
    top = data_folder(root)
    parts = split_folders_of(top, chosen=split_folders)
    if not parts:
        return VideoSplits(train=folder_manifest(top, root=top, class_folders=class_folders)).told(root=top)
    manifests: list[Manifest] = []
    for part in parts:
        known = manifests[0].class_names if manifests else ()
        manifests.append(folder_manifest(top / part, root=top, class_folders=class_folders, class_names=known))
    if others := left_out(top, parts=parts):
        log.warning("%s: left out, beside %s: %s", top, " and ".join(parts), few(others))
    return VideoSplits(train=manifests[0], test=manifests[1] if len(manifests) > 1 else None).told(root=top, folders=parts)


def folder_manifest(videos: Path, *, root: Path, class_folders: bool, class_names: tuple[str, ...] = ()) -> Manifest:
    """The videos below `videos`; first-level folders are classes where `folder` says so. `class_names` come first where given."""
    paths = list(distinct_videos(videos))
    if not paths:
        raise no_videos(videos)
    first_folders = {path.partition(os.sep)[0] for path in paths if os.sep in path}
    loose = [path for path in paths if os.sep not in path]
    has_classes = class_folders and bool(first_folders) and (len(first_folders) > 1 or bool(class_names))
    if has_classes and loose:
        raise InputError(
            expected=f"the videos of '{videos}' all in class folders, or all outside",
            got=f"{len(loose)} outside ({few(loose)}) beside {len(first_folders)} folders ({few(sorted(first_folders))})",
            remedy="Move them, or set data.class_folders=false to read all videos without labels.",
        )
    if class_folders and (empty := sorted(set(subfolders(videos)).difference(first_folders))):
        log.info("%s: %d folders hold no video: %s", videos, len(empty), few(empty))
    builder = ManifestBuilder(root=os.fspath(root))
    for path in paths:
        builder.add(os.path.join(videos, path), path.partition(os.sep)[0] if has_classes else None)  # noqa: PTH118
    return builder.finish(class_names=(*class_names, *sorted(first_folders.difference(class_names))) if has_classes else ())
