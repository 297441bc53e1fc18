"""Any folder of videos, with class subfolders or none."""

from __future__ import annotations

import os
from pathlib import Path

from vclr_pl.data.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.data.split.video_scan import data_folder, no_videos, scan_videos

TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("test", "testing", "val", "valid", "validation", "validate")


def folder(*, root: str | Path, class_folders: bool = True) -> VideoSplits:
    """Every video below `root`, however deep.

    Where `root` holds `train/` (and perhaps `test/` or `val/`), these are the splits. Where every video stands in a subfolder, and
    these are two or more, the subfolders are the classes; else, or with `class_folders` false, there are no labels.

    Raises:
        InputError: a missing or empty folder, or one without videos.
    """
    top = data_folder(root)
    train = next((top / name for name in TRAIN_FOLDERS if (top / name).is_dir()), None)
    if train is None:
        return VideoSplits(train=folder_manifest(top, root=top, class_folders=class_folders))
    test = next((top / name for name in TEST_FOLDERS if (top / name).is_dir()), None)
    train_manifest = folder_manifest(train, root=top, class_folders=class_folders)
    if test is None:
        return VideoSplits(train=train_manifest)
    test_manifest = folder_manifest(test, root=top, class_folders=class_folders, class_names=train_manifest.class_names)
    return VideoSplits(train=train_manifest, test=test_manifest)


def folder_manifest(videos: Path, *, root: Path, class_folders: bool, class_names: tuple[str, ...] = ()) -> Manifest:
    """The videos below `videos`; first-level folders are classes where `folder` says so. `class_names` come first where given."""
    paths, first_folders = list(scan_videos(videos)), set[str]()
    if not paths:
        raise no_videos(videos)
    first_folders = {path.partition(os.sep)[0] for path in paths if os.sep in path}
    labeled = class_folders and all(os.sep in path for path in paths) and (len(first_folders) > 1 or bool(class_names))
    builder = ManifestBuilder(root=os.fspath(root))
    for path in paths:
        builder.add(os.path.join(videos, path), path.partition(os.sep)[0] if labeled else None)  # noqa: PTH118
    return builder.finish(class_names=(*class_names, *sorted(first_folders.difference(class_names))) if labeled else ())
