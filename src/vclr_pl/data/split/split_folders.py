"""Which folders at the top of a set are its splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vclr_pl.data.split.video_scan import few, is_video, scan_videos, subfolders
from vclr_pl.types import InputError

TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("test", "testing")
VALIDATION_FOLDERS = ("val", "valid", "validation", "validate")


def split_folders_of(top: Path, *, chosen: Sequence[str] | None) -> list[str]:
    """The folders of the splits, [train] or [train, test]; empty where there are none.

    Raises:
        InputError: folders chosen that are not there, or names that can be understood in two ways.
    """
    if chosen is not None:
        return _checked(top, list(chosen))
    by_kind = [
        [name for name in subfolders(top) if name.casefold() in kind and _has_videos(top / name)]
        for kind in (TRAIN_FOLDERS, TEST_FOLDERS, VALIDATION_FOLDERS)
    ]
    train, test = by_kind[0], by_kind[1] or by_kind[2]
    named = [name for names in by_kind for name in names]
    if not named:
        return []
    beside = _with_videos(top, apart_from=named)
    if len(train) != 1 or len(test) > 1 or (not test and beside):
        raise InputError(
            expected=f"folders in '{top}' that are either splits or classes",
            got=f"{', '.join(named)}{f' beside {few(beside)}' if beside else ''}",
            remedy=f"Set data.split_folders=[{','.join([*train[:1], *test[:1]])}] to name the folders of the splits, or "
            "data.split_folders=[] if every folder is a class.",
        )
    return [*train, *test]


def left_out(top: Path, *, parts: Sequence[str]) -> list[str]:
    """What else holds videos beside the splits, with how many."""
    return [
        f"{name} ({sum(1 for _ in scan_videos(top / name))} videos)" if (top / name).is_dir() else name
        for name in _with_videos(top, apart_from=parts)
    ]


def _with_videos(top: Path, *, apart_from: Sequence[str]) -> list[str]:
    folders = subfolders(top)
    loose = sorted(path.name for path in top.iterdir() if is_video(path.name) and path.name not in folders)
    return [*(name for name in folders if name not in apart_from and _has_videos(top / name)), *loose]


def _has_videos(folder: Path) -> bool:
    return any(True for _ in scan_videos(folder))


def _checked(top: Path, names: list[str]) -> list[str]:
    absent = [name for name in names if not (top / name).is_dir() or not name or Path(name).name != name]
    if absent or len(names) > 2 or len(set(names)) < len(names):
        raise InputError(
            expected=f"data.split_folders to name one or two folders in '{top}', or none",
            got=f"[{', '.join(names)}]",
            remedy="Set data.split_folders=[TRAIN,TEST], [TRAIN] or [].",
        )
    return names
