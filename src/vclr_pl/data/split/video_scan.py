"""Finding video files below a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vclr_pl.types import InputError

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".flv", ".wmv", ".mpg", ".mpeg", ".mpe", ".m2v", ".mts", ".m2ts", ".ts")
) | {".3gp", ".3g2", ".ogv", ".vob", ".asf", ".divx", ".y4m", ".gif"}

SHOWN = 5


def few(names: Sequence[str]) -> str:
    """The first of them, for a log."""
    return f"{', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}"


def is_video(name: str) -> bool:
    """By its suffix, in any case; hidden files are not (macOS leaves `._name.mp4` beside every file)."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122 (called a million times)


def data_folder(root: str | os.PathLike[str], *, key: str = "data.root") -> Path:
    """The folder as an absolute path, links kept. Raises InputError where it is missing, no folder, or empty."""
    folder = Path(os.path.abspath(Path(root).expanduser()))  # noqa: PTH100 (resolve() would follow links that the user chose)
    if not folder.exists():
        raise InputError(expected=f"{key} to be a folder of videos", got=f"'{folder}', which does not exist", remedy=f"Set {key}=DIR.")
    if not folder.is_dir():
        raise InputError(expected=f"{key} to be a folder of videos", got=f"'{folder}', which is a file", remedy=f"Set {key}=DIR.")
    if not any(folder.iterdir()):
        raise InputError(expected=f"{key} to be a folder of videos", got=f"'{folder}', which is empty", remedy=f"Set {key}=DIR.")
    return folder


def scan_videos(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Video files below `folder`, relative to it, folder by folder in alphabetical order; links are followed, loops are not."""
    return scan_files(folder, wanted=is_video)


def scan_files(folder: str | os.PathLike[str], *, wanted: Callable[[str], bool]) -> Iterator[str]:
    """As `scan_videos`, for files of any `wanted` name."""
    top, visited = os.fspath(folder), set()
    for current, folders, files in os.walk(top, followlinks=True):
        status = os.stat(current)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = os.path.relpath(current, top)
        prefix = "" if relative == "." else relative + os.sep
        yield from (prefix + name for name in sorted(files) if wanted(name))


def no_videos(folder: Path) -> InputError:
    return InputError(
        expected=f"video files ({', '.join(sorted(VIDEO_SUFFIXES))}) below '{folder}'",
        got="none",
        remedy="Set data.root=DIR to the folder that holds them.",
    )


def first_folder(candidates: list[Path]) -> Path | None:
    """The first that exists."""
    return next((candidate for candidate in candidates if candidate.is_dir()), None)
