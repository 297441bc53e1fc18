"""The video files below a folder, and the files that names of a list mean."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vclr_pl.types import InputError

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".flv", ".wmv", ".mpg", ".mpeg", ".mpe", ".m2v", ".mts", ".m2ts", ".ts")
) | {".3gp", ".3g2", ".ogv", ".vob", ".asf", ".divx", ".y4m", ".gif"}
SHOWN = 5
log = logging.getLogger(__name__)


def few(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    return f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}"


def is_video(name: str) -> bool:
    """By its suffix, in any case; hidden files are not (macOS leaves `._name.mp4` beside every file)."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122 (called a million times)


def data_folder(root: str | os.PathLike[str], *, key: str = "data.root") -> Path:
    """The folder as an absolute path, links kept. Raises InputError where it is missing, no folder, unreadable, or empty."""
    folder = Path(os.path.abspath(Path(root).expanduser()))  # noqa: PTH100 (resolve() would follow links that the user chose)
    try:
        trouble = "" if any(folder.iterdir()) else "is empty"
    except FileNotFoundError:
        trouble = "does not exist"
    except NotADirectoryError:
        trouble = "is a file"
    except OSError as error:
        trouble = f"cannot be read ({error.strerror})"
    if trouble:
        raise InputError(expected=f"{key} to be a folder of videos", got=f"'{folder}', which {trouble}", hint=f"Set {key}=DIR.")
    return folder


def scan_videos(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Video files below `folder`, relative to it, folder by folder in alphabetical order; links are followed, loops are not."""
    return scan_files(folder, wanted=is_video)


def scan_files(folder: str | os.PathLike[str], *, wanted: Callable[[str], bool]) -> Iterator[str]:
    """As `scan_videos`, for files of any `wanted` name.

    A folder that is reached twice, by a link, is read once. Such folders, those that cannot be read, and links without a target are
    named in the log at the end.
    """
    top, names = os.fspath(folder), dict[tuple[int, int], str]()
    unreadable, again, astray = list[str](), list[str](), list[str]()

    def note(error: OSError) -> None:
        unreadable.append(f"{os.path.relpath(os.fsdecode(error.filename), top)} ({error.strerror})")

    for current, folders, files in os.walk(top, followlinks=True, onerror=note):
        relative = os.path.relpath(current, top)
        status = os.stat(current)  # noqa: PTH116
        if (first := names.setdefault((status.st_dev, status.st_ino), relative)) != relative:
            again.append(f"{relative} (is {first})")
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        prefix = "" if relative == "." else relative + os.sep
        astray += [prefix + name for name in sorted(files) if not wanted(name) and _leads_nowhere(current, name)]
        yield from (prefix + name for name in sorted(files) if wanted(name))
    for told, found in (
        ("%s: %d folders cannot be read and are left out: %s", unreadable),
        ("%s: %d folders are links to others, whose files are read once: %s", again),
        ("%s: %d links lead nowhere: %s", astray),
    ):
        if found:
            log.warning(told, top, len(found), few(found))


def _leads_nowhere(folder: str, name: str) -> bool:
    path = f"{folder}{os.sep}{name}"
    return not name.startswith(".") and os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114


def distinct_videos(folder: str | os.PathLike[str]) -> Iterator[str]:
    """As `scan_videos`, each file once: of several links to it, hard ones too, the first. The others are named in the log."""
    seen, again = set[int](), list[str]()
    for path in scan_videos(folder):
        known = file_identity(os.path.join(folder, path))  # noqa: PTH118
        if known is not None and known in seen:
            again.append(path)
            continue
        if known is not None:
            seen.add(known)
        yield path
    if again:
        log.warning("%s: %d files are links to others and are read once: %s", os.fspath(folder), len(again), few(again))


def file_identity(path: str) -> int | None:
    """The same for all names of one file; None where it cannot be asked for."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return hash((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))  # some network drives give numbers twice


def no_videos(folder: Path) -> InputError:
    return InputError(
        expected=f"video files ({', '.join(sorted(VIDEO_SUFFIXES))}) below '{folder}'",
        got="none",
        hint="Set data.root=DIR to the folder that holds them.",
    )


def first_folder(candidates: list[Path]) -> Path | None:
    """The first that exists, if need be written in other case. Others that exist are named in the log."""
    found = [candidate for candidate in candidates if candidate.is_dir()]
    if not found:
        others = [parent / name for parent in dict.fromkeys(path.parent for path in candidates) for name in subfolders(parent)]
        found = [path for candidate in candidates for path in others if path.name.casefold() == candidate.name.casefold()]
    if len(found) > 1:
        log.warning("videos are read from %s; left out: %s", found[0], few([path.name for path in found[1:]]))
    return found[0] if found else None


def subfolders(folder: Path) -> list[str]:
    """Not hidden, alphabetically."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


class VideoIndex:
    """The video files below `folder`, which the option `key` names."""

    def __init__(self, folder: Path, *, key: str = "data.root") -> None:
        self.folder, self._key = folder, key
        self._paths: dict[str, list[str]] = defaultdict(list)
        for path in scan_videos(folder):
            self._paths[Path(path).stem].append(path)
        self._used = set[str]()
        self._clashes: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def find(self, *stems: str, parent: str | None = None) -> str | None:
        """The file, relative to `folder`, that has one of these names; None where there is none.

        Of different files those in a folder `parent` count first. If there are several still, `tell` refuses them.
        """
        paths = [path for stem in stems for path in self._paths.get(stem, ())]
        self._used.update(paths)
        paths = [path for path in paths if Path(path).parent.name == parent] or paths
        distinct = {file_identity(os.path.join(self.folder, path)): path for path in reversed(paths)}  # noqa: PTH118
        if len(distinct) > 1:
            self._clashes[stems[0]] = sorted(distinct.values())
        return paths[0] if paths else None

    def refuse_clashes(self) -> None:
        """Raises InputError where `find` met different files of one name."""
        if self._clashes:
            name, paths = next(iter(self._clashes.items()))
            raise InputError(
                expected=f"one file for each video below '{self.folder}'",
                got=f"{len(self._clashes)} with several, for instance '{name}': {few(paths)}",
                hint=f"Remove or rename all but one, or set {self._key}=DIR to a folder that holds one.",
            )

    def tell_unlisted(self, source: str, *, known: Sequence[str] = ()) -> None:
        """Count and name the files that nobody asked for in the log; those of the names `known` are in the list, and not wanted."""
        left = sorted(path for stem in self._paths.keys() - set(known) for path in self._paths[stem] if path not in self._used)
        if left:
            log.warning("%s does not name %d of the videos below %s, which are left out: %s", source, len(left), self.folder, few(left))
