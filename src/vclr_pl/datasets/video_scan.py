"""The video files below a folder, and the files for the names in a list."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.folder import open_folder
from vclr_pl.remote.location import is_url, local_path
from vclr_pl.remote.path import Folder, RemotePath
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import InputError

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".flv", ".wmv", ".mpg", ".mpeg", ".mpe", ".m2v", ".mts", ".m2ts", ".ts")
) | {".3gp", ".3g2", ".ogv", ".vob", ".asf", ".divx", ".y4m", ".gif"}
SHOWN = 5
log = logging.getLogger(__name__)


def few(names: Sequence[str]) -> str:
    """The first names, and the number of further ones."""
    return f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}"


def is_video(name: str) -> bool:
    """True for a video suffix, ignoring case. Hidden files are excluded (macOS creates `._name.mp4` for every file)."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122 (called a million times)


def data_folder(root: str | Folder, *, key: str = "data.root", cache: FileCache | None = None) -> Folder:
    """The folder as an absolute path, links kept; for the URL of a server, the folder there, whose files are read through `cache`.

    Raises InputError if it does not exist, is not a folder, is unreadable, or is empty.
    """
    if isinstance(root, RemotePath):
        return root
    if is_url(root):
        return RemotePath(open_folder(os.fspath(root), cache=cache or FileCache()))
    folder = Path(os.path.abspath(Path(local_path(root)).expanduser()))  # noqa: PTH100 (resolve() would follow links that the user chose)
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
    """Video files below `folder`, relative to it, by folder in alphabetical order; links are followed, except loops."""
    return scan_files(folder, wanted=is_video)


def exists_below(root: Folder) -> Callable[[str], bool]:
    """Whether the path of a video exists, for paths below `root`. On a server only files count."""
    if isinstance(root, RemotePath):
        remote = root.remote
        return lambda path: remote.entry(path) is not None
    return os.path.exists  # called a million times


def scan_files(folder: str | os.PathLike[str], *, wanted: Callable[[str], bool]) -> Iterator[str]:
    """Like `scan_videos`, for files of any `wanted` name.

    A folder that is reached twice, by a link, is read once. Such folders, unreadable folders, and links without a target are
    logged at the end.
    """
    if isinstance(folder, RemotePath):
        yield from folder.remote.listing.walk(folder.relative, wanted=wanted)
        return
    top, names = os.fspath(folder), dict[tuple[int, int], str]()
    unreadable, again, astray = list[str](), list[str](), list[str]()

    def note(error: OSError) -> None:
        unreadable.append(f"{os.path.relpath(os.fsdecode(error.filename), top)} ({error.strerror})")

    for current, folders, files in os.walk(top, followlinks=True, onerror=note):
        stop_if_requested()
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
    for message, paths in (
        ("%s: %d folders cannot be read and are left out: %s", unreadable),
        ("%s: %d folders are links to other folders, whose files are read once: %s", again),
        ("%s: %d links are broken: %s", astray),
    ):
        if paths:
            log.warning(message, top, len(paths), few(paths))


def _leads_nowhere(folder: str, name: str) -> bool:
    path = f"{folder}{os.sep}{name}"
    return not name.startswith(".") and os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114


def distinct_videos(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Like `scan_videos`, each file once: of several links to it, also hard links, only the first. The others are logged."""
    if isinstance(folder, RemotePath):
        yield from scan_videos(folder)
        return
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
        log.warning("%s: %d files are links to other files and are read once: %s", os.fspath(folder), len(again), few(again))


def file_identity(path: str) -> int | None:
    """Identity of a file, equal for all its links; None if it is unavailable."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return hash((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))  # on some network drives inode numbers are not unique


def no_videos(folder: Folder) -> InputError:
    return InputError(
        expected=f"video files ({', '.join(sorted(VIDEO_SUFFIXES))}) below '{folder}'",
        got="none",
        hint="Set data.root=DIR to the folder of the videos.",
    )


def first_folder(candidates: Sequence[Folder]) -> Folder | None:
    """The first existing folder, ignoring case if necessary. Other existing ones are logged."""
    existing = [candidate for candidate in candidates if candidate.is_dir()]
    if not existing:
        others = [parent / name for parent in dict.fromkeys(path.parent for path in candidates) for name in subfolders(parent)]
        existing = [path for candidate in candidates for path in others if path.name.casefold() == candidate.name.casefold()]
    if len(existing) > 1:
        log.warning("videos are read from %s; left out: %s", existing[0], few([path.name for path in existing[1:]]))
    return existing[0] if existing else None


def subfolders(folder: Folder) -> list[str]:
    """Subfolders in alphabetical order, without hidden ones."""
    if isinstance(folder, RemotePath):
        children = folder.remote.listing.children(folder.relative)
        return sorted(name for name, is_folder in children if is_folder and not name.startswith("."))
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


class VideoIndex:
    """The video files below `folder`, which the option `key` names."""

    def __init__(self, folder: Folder, *, key: str = "data.root") -> None:
        self.folder, self._key = folder, key
        self._paths: dict[str, list[str]] = defaultdict(list)
        for path in scan_videos(folder):
            self._paths[Path(path).stem].append(path)
        self._used = set[str]()
        self._clashes: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def find(self, *stems: str, parent: str | None = None) -> str | None:
        """The file with one of these names, relative to `folder`; None if there is none.

        Files in a folder `parent` have priority. If several different files remain, `refuse_clashes` raises an error.
        """
        paths = [path for stem in stems for path in self._paths.get(stem, ())]
        self._used.update(paths)
        paths = [path for path in paths if Path(path).parent.name == parent] or paths
        distinct = {self._identity(path): path for path in reversed(paths)}
        if len(distinct) > 1:
            self._clashes[stems[0]] = sorted(distinct.values())
        return paths[0] if paths else None

    def _identity(self, path: str) -> object:
        return path if isinstance(self.folder, RemotePath) else file_identity(os.path.join(self.folder, path))  # noqa: PTH118

    def refuse_clashes(self) -> None:
        """Raises InputError if `find` found different files with the same name."""
        if self._clashes:
            name, paths = next(iter(self._clashes.items()))
            raise InputError(
                expected=f"one file for each video below '{self.folder}'",
                got=f"{len(self._clashes)} videos with several, for instance '{name}': {few(paths)}",
                hint=f"Keep only one of them, or set {self._key}=DIR to a folder with only one.",
            )

    def tell_unlisted(self, source: str, *, known: Sequence[str] = ()) -> None:
        """Log the files that were not requested, except those with `known` names, which are listed but not used."""
        left = sorted(path for stem in self._paths.keys() - set(known) for path in self._paths[stem] if path not in self._used)
        if left:
            log.warning("%s does not list %d of the videos below %s, which are left out: %s", source, len(left), self.folder, few(left))
