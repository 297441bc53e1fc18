"""Videos of a folder, with the class subfolders as labels and with train and test folders as splits."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from vclr_pl.datasets.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.datasets.video_scan import data_folder, distinct_videos, few, is_video, no_videos, scan_videos, subfolders
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.folder import open_file
from vclr_pl.remote.location import is_url
from vclr_pl.remote.path import Folder, RemotePath
from vclr_pl.types import InputError

TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("test", "testing")
VALIDATION_FOLDERS = ("val", "valid", "validation", "validate")
LAYOUTS = {"ucf101": {"ucf-101", "ucftraintestlist"}}  # folders of benchmarks, in lower case


def split_folders_of(top: Folder, *, chosen: Sequence[str] | None) -> list[str]:
    """The folders of the splits, [train] or [train, test]; empty if there are none.

    Raises:
        InputError: a chosen folder does not exist, or the names are ambiguous.
    """
    if chosen is not None:
        return _checked(top, list(chosen))
    folders = [name for name in subfolders(top) if _kind_of(name) and _has_videos(top / name)]
    by_kind = [[name for name in folders if name.casefold() in kind] for kind in (TRAIN_FOLDERS, TEST_FOLDERS, VALIDATION_FOLDERS)]
    train, test = by_kind[0], by_kind[1] or by_kind[2]
    exact = [name for names in by_kind for name in names]
    if not exact and len({_kind_of(name) for name in folders}) < 2:
        return []
    named = exact or folders
    beside = _with_videos(top, apart_from=named)
    if len(train) != 1 or len(test) > 1 or (not test and beside):
        raise _ambiguous(top, named=named, beside=beside)
    return [*train, *test]


def _kind_of(name: str) -> str:
    """`train`, `test` or empty, by the first word of a folder's name: `train_256` and `Training Set` match, `trainspotting` does not."""
    first_letters = re.match(r"[^\W\d_]*", name.casefold())
    assert first_letters is not None
    return "train" if first_letters[0] in TRAIN_FOLDERS else "test" if first_letters[0] in (*TEST_FOLDERS, *VALIDATION_FOLDERS) else ""


def _ambiguous(top: Folder, *, named: Sequence[str], beside: Sequence[str]) -> InputError:
    """The error for ambiguous folders. It suggests a pair of training and test folder if there is one of each."""
    train = [name for name in (*named, *beside) if _kind_of(name) == "train"]
    tests = [name for name in (*named, *beside) if _kind_of(name) == "test"]
    others = tests or [name for name in beside if (top / name).is_dir() and name not in train]
    first = train[0] if len(train) == 1 else "TRAIN"
    second = others[0] if len(train) == len(others) == 1 else "TEST"
    quote = "" if re.fullmatch(r"[\w.-]+", first + second) else "'"
    return InputError(
        expected=f"folders in '{top}' that are either splits or classes",
        got=f"{few(named)}{f' next to {few(beside)}' if beside else ''}",
        hint=f"Set {quote}data.split_folders=[{first},{second}]{quote} to name the folders of training and test, "
        f"{quote}[{first}]{quote} to read only the first, or data.split_folders=[] if every folder is a class.",
    )


def left_out(top: Folder, *, parts: Sequence[str]) -> list[str]:
    """Other folders with videos next to the splits, with their number of videos."""
    return [
        f"{name} ({sum(1 for _ in scan_videos(top / name))} videos)" if (top / name).is_dir() else name
        for name in _with_videos(top, apart_from=parts)
    ]


def _with_videos(top: Folder, *, apart_from: Sequence[str]) -> list[str]:
    folders = subfolders(top)
    loose = sorted(path.name for path in top.iterdir() if is_video(path.name) and path.name not in folders)
    return [*(name for name in folders if name not in apart_from and _has_videos(top / name)), *loose]


def _has_videos(folder: Folder) -> bool:
    return any(True for _ in scan_videos(folder))


def _checked(top: Folder, names: list[str]) -> list[str]:
    absent = [name for name in names if not (top / name).is_dir() or not name or Path(name).name != name]
    if absent or len(names) > 2 or len(set(names)) < len(names):
        raise InputError(
            expected=f"data.split_folders to name one or two folders in '{top}', or none",
            got=f"[{', '.join(names)}]",
            hint="Set data.split_folders=[TRAIN,TEST], [TRAIN] or [].",
        )
    return names


log = logging.getLogger(__name__)


def folder(
    *, root: str | Path, class_folders: bool = True, split_folders: Sequence[str] | None = None, cache: FileCache | None = None
) -> VideoSplits:
    """Every video below `root`, at any depth.

    Args:
        class_folders: true: folders with videos are classes, if there are at least two. False: no labels.
        split_folders: the folders of the splits, [train] or [train, test]; [] for none; None detects them by their names, ignoring case:
            `train` or `training`, with `test`, `val` or the like.
        cache: for the URL of a server.

    Raises:
        InputError: a folder that does not exist, is empty, has no videos, or is ambiguous.
    """
    top = data_folder(root, cache=cache)
    parts = split_folders_of(top, chosen=split_folders)
    if not parts:
        names = {name.lower() for name in subfolders(top)}
        if layout := next((name for name, folders in LAYOUTS.items() if folders <= names), None):
            log.warning("%s looks like %s: experiment=%s or data=%s reads its labels and its test list", top, layout, layout, layout)
        return VideoSplits(train=folder_manifest(top, root=top, class_folders=class_folders)).told(root=top)
    manifests: list[Manifest] = []
    for part in parts:
        known = manifests[0].class_names if manifests else ()
        manifests.append(folder_manifest(top / part, root=top, class_folders=class_folders, class_names=known))
    if others := left_out(top, parts=parts):
        log.warning("%s: not used, next to %s: %s", top, " and ".join(parts), few(others))
    return VideoSplits(train=manifests[0], test=manifests[1] if len(manifests) > 1 else None).told(root=top, folders=parts)


def folder_manifest(videos: Folder, *, root: Folder, class_folders: bool, class_names: tuple[str, ...] = ()) -> Manifest:
    """The videos below `videos`; first-level folders are classes as in `folder`. Given `class_names` are numbered first."""
    paths = list(distinct_videos(videos))
    if not paths:
        raise no_videos(videos)
    first_folders = {path.partition(os.sep)[0] for path in paths if os.sep in path}
    loose = [path for path in paths if os.sep not in path]
    has_classes = class_folders and bool(first_folders) and (len(first_folders) > 1 or bool(class_names))
    if has_classes and loose:
        raise InputError(
            expected=f"the videos of '{videos}' all in class folders, or all outside",
            got=f"{len(loose)} outside ({few(loose)}) next to {len(first_folders)} folders ({few(sorted(first_folders))})",
            hint="Move them, or set data.class_folders=false to read all videos without labels.",
        )
    if class_folders and (empty := sorted(set(subfolders(videos)).difference(first_folders))):
        log.info("%s: %s no video: %s", videos, "1 folder contains" if len(empty) == 1 else f"{len(empty)} folders contain", few(empty))
    builder = ManifestBuilder(root=root)
    for path in paths:
        builder.add(os.path.join(videos, path), path.partition(os.sep)[0] if has_classes else None)  # noqa: PTH118
    return builder.finish(class_names=(*class_names, *sorted(first_folders.difference(class_names))) if has_classes else ())


def folder_or_file(
    *, root: str | Path, class_folders: bool = True, split_folders: Sequence[str] | None = None, cache: FileCache | None = None
) -> VideoSplits:
    """If `root` is a file with any suffix, that video without a label; else as `folder`.

    Raises:
        InputError: a missing or empty folder, one without videos, or one that can be understood in two ways.
    """
    if is_url(root) and is_video(str(root).partition("?")[0].rpartition("/")[2]):
        remote, name = open_file(str(root), cache=cache or FileCache())
        builder = ManifestBuilder(root=RemotePath(remote))
        builder.add(RemotePath(remote, name))
        return VideoSplits(train=builder.finish())
    path = Path(root).expanduser()
    if path.is_file():
        return VideoSplits(train=Manifest.from_pairs([(str(path.absolute()), None)]))
    return folder(root=root, class_folders=class_folders, split_folders=split_folders, cache=cache)
