"""HMDB51 in its official layout: `<class>/*.avi` and `testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt`."""

from __future__ import annotations

from pathlib import Path

from pytorchvideo.data.hmdb51 import Hmdb51LabeledVideoPaths

from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.datasets.video_list import listed_manifest
from vclr_pl.datasets.video_scan import data_folder, first_folder
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.path import Folder, on_disk
from vclr_pl.types import InputError

VIDEO_FOLDERS = ("hmdb51_org", "hmdb51", "HMDB51", "hmdb51_sta", "videos", "video")
LIST_FOLDERS = (
    "testTrainMulti_7030_splits",
    "test_train_splits/testTrainMulti_7030_splits",
    "test_train_splits",
    "splits",
    "annotations",
)


def hmdb51(
    *, root: str | Path, split: int, lists: str | Path | None = None, allow_outside_root: bool = False, cache: FileCache | None = None
) -> VideoSplits:
    """One of HMDB51's three official splits (70 training and 30 test videos per class); other videos are left out.

    Args:
        root: the folder of the videos (`hmdb51_org/`, `videos/`, or the class folders themselves) and the lists.
        split: 1, 2 or 3.
        lists: the folder of the lists, if it is not below `root`.
        cache: for the URL of a server.

    Raises:
        InputError: a folder, a list, or a video of the lists does not exist.
    """
    folder = data_folder(root, cache=cache)
    videos = first_folder([folder / name for name in VIDEO_FOLDERS]) or folder
    list_folder = _list_folder(folder, split=split, lists=lists, cache=cache)
    class_names = tuple(sorted(path.name.removesuffix(_ending(split)) for path in list_folder.glob(f"*{_ending(split)}")))

    def manifest(split_type: str) -> Manifest:
        with on_disk(list_folder, f"*{_ending(split)}") as local:
            paths = Hmdb51LabeledVideoPaths.from_dir(local, split_id=split, split_type=split_type)
        entries = ((path, attributes["label"]) for path, attributes in (paths[index] for index in range(len(paths))))
        source = f"{list_folder.name} (split {split}, {split_type})"
        return listed_manifest(entries, root=videos, source=source, allow_outside_root=allow_outside_root, class_names=class_names)

    return VideoSplits(train=manifest("train"), test=manifest("test"), published=True).told(root=folder)


def _ending(split: int) -> str:
    return f"_test_split{split}.txt"


def _list_folder(folder: Folder, *, split: int, lists: str | Path | None, cache: FileCache | None) -> Folder:
    if split not in (1, 2, 3):
        raise InputError(expected="data.split to be 1, 2 or 3", got=str(split), hint="Set data.split=1.")
    candidates = [folder, *(parent / name for parent in (folder, folder.parent) for name in LIST_FOLDERS)]
    candidates = candidates if lists is None else [data_folder(lists, key="data.lists", cache=cache)]
    lists_folder = next((candidate for candidate in candidates if any(candidate.glob(f"*{_ending(split)}"))), None)
    if lists_folder is None:
        raise InputError(
            expected=f"HMDB51's lists '<class>{_ending(split)}' in '{folder / LIST_FOLDERS[0]}'",
            got="none there or next to it",
            hint="Unpack test_train_splits.rar into data.root=DIR, or set data.lists=DIR.",
        )
    return lists_folder
