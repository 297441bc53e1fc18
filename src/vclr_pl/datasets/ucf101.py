"""UCF101 in its official layout: `UCF-101/<Class>/*.avi` and `ucfTrainTestlist/{classInd,trainlist0N,testlist0N}.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.datasets.video_list import list_lines, listed_manifest
from vclr_pl.datasets.video_scan import data_folder, first_folder
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.path import Folder
from vclr_pl.types import InputError

VIDEO_FOLDERS = ("UCF-101", "UCF101", "ucf101", "videos")
NUMBER = re.compile(r"[0-9]{1,18}")
LIST_FOLDERS = ("ucfTrainTestlist", "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist", "annotations", "splits")


def ucf101(
    *, root: str | Path, split: int, lists: str | Path | None = None, allow_outside_root: bool = False, cache: FileCache | None = None
) -> VideoSplits:
    """One of UCF101's three official splits.

    Args:
        root: the folder with `UCF-101/` and `ucfTrainTestlist/`, or `UCF-101` itself with the lists inside or next to it.
        split: 1, 2 or 3.
        lists: the folder of the lists, if it is not below `root`.
        cache: for the URL of a server.

    Raises:
        InputError: a folder, a list, or a class or video of the lists does not exist.
    """
    folder = data_folder(root, cache=cache)
    videos = first_folder([folder / name for name in VIDEO_FOLDERS]) or folder
    list_folder = _list_folder(folder, lists=lists, cache=cache)
    class_names = _class_names(list_folder / "classInd.txt")

    def manifest(name: str) -> Manifest:
        path = list_folder / name
        if not path.is_file():
            raise InputError(expected=f"the list '{path}'", got="no such file", hint="Set data.split to 1, 2 or 3.")
        entries = _entries(path, class_names=class_names)
        return listed_manifest(entries, root=videos, source=name, allow_outside_root=allow_outside_root, class_names=class_names)

    return VideoSplits(train=manifest(f"trainlist{split:02d}.txt"), test=manifest(f"testlist{split:02d}.txt"), published=True).told(
        root=folder
    )


def _list_folder(folder: Folder, *, lists: str | Path | None, cache: FileCache | None) -> Folder:
    if lists is not None:
        return data_folder(lists, key="data.lists", cache=cache)
    candidates = [folder, *(parent / name for parent in (folder, folder.parent) for name in LIST_FOLDERS)]
    lists_folder = next((candidate for candidate in candidates if (candidate / "classInd.txt").is_file()), None)
    if lists_folder is None:
        raise InputError(
            expected=f"UCF101's lists in '{folder / LIST_FOLDERS[0]}'",
            got="no classInd.txt there or next to it",
            hint="Unpack UCF101TrainTestSplits-RecognitionTask.zip into data.root=DIR, or set data.lists=DIR.",
        )
    return lists_folder


def _class_names(path: Folder) -> tuple[str, ...]:
    """Lines `<number from 1> <name>`."""
    if not path.is_file():
        raise InputError(expected=f"the list '{path}'", got="no such file", hint="Set data.lists=DIR to the folder of UCF101's lists.")
    numbered = [line.strip().split(maxsplit=1) for line in list_lines(path)]
    if any(len(fields) != 2 or not NUMBER.fullmatch(fields[0]) for fields in numbered):
        raise InputError(
            expected="lines '<number> <class>'", got=f"other lines in '{path}'", hint="Use the official classInd.txt of UCF101."
        )
    return tuple(name for _, name in sorted(numbered, key=lambda fields: int(fields[0])))


def _entries(path: Folder, *, class_names: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Lines `<Class>/<name>.avi`, in training lists followed by the class's number; the class is read from the folder."""
    number_of = {name: number for number, name in enumerate(class_names)}
    for line in list_lines(path):
        entry, _, last = line.strip().rpartition(" ")
        if not (entry and NUMBER.fullmatch(last)):
            entry = line.strip()
        name = Path(entry).parent.name
        if name not in number_of:
            raise InputError(
                expected=f"the classes of classInd.txt in {path.name}",
                got=f"'{entry}' of class '{name}'",
                hint="Use both lists from the same release of UCF101.",
            )
        yield entry, number_of[name]
