"""A bounded cache of files on the local disk, which all processes of a machine share.

- A file gets its name when it is complete. Its draft is locked by the process that fetches it; others wait for it.
- A file in use is locked (shared). The files used least recently are removed first, those in use never.
- `used` holds the bytes that files and drafts take, under a lock. The system frees the locks of a killed process; its draft is removed,
  and the number corrected, when files are removed next.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vclr_pl.types import InputError

try:
    import fcntl
except ImportError:  # Windows has no advisory locks
    fcntl = None  # type: ignore[assignment]

GIGABYTE = 10**9
KEPT_FRACTION = 0.9  # of the limit, when files are removed: looking through all files is rare


class FileTooLargeError(Exception):
    """The file is larger than the cache."""


@dataclass(frozen=True, kw_only=True)
class FileCache:
    """The cache, and how files get into it.

    Args:
        folder: on a local disk. Runs share it.
        gigabytes: limit of the files' size, 10^9 bytes each. It is exceeded only by files that are open at the same moment.
        tries: of a file whose transfer fails, with growing pauses between them.
        pause_seconds: the first pause. Each later one is twice as long, at most 30 s.
        connections: files that a process fetches ahead at a time. 0 fetches nothing ahead.
    """

    folder: str = "~/.cache/vclr_pl"
    gigabytes: float = 50.0
    tries: int = 6
    pause_seconds: float = 0.5
    connections: int = 8

    def __post_init__(self) -> None:
        for name, least in (("gigabytes", 0), ("tries", 1), ("pause_seconds", 0), ("connections", 0)):
            if getattr(self, name) < least or (name == "gigabytes" and not self.gigabytes):
                raise InputError(expected=f"cache.{name} above {least}", got=str(getattr(self, name)), hint=f"Set cache.{name} higher.")

    @property
    def path(self) -> Path:
        return Path(self.folder).expanduser().absolute()

    @property
    def limit_bytes(self) -> int:
        return int(self.gigabytes * GIGABYTE)

    @contextlib.contextmanager
    def held(self, key: str, *, suffix: str, size: int, fetch: Callable[[Path], None]) -> Iterator[str]:
        """The path of the file `key`, which stays while the block runs. `fetch` writes it if it is absent.

        Raises:
            FileTooLargeError: `size` is above the limit. Whatever `fetch` raises is raised too.
        """
        path = self.path / "files" / key[:2] / f"{key}{suffix}"
        while (file := _in_use(path, size=size)) is None:
            self._make(path, size=size, fetch=fetch)
        try:
            yield os.fspath(path)
        finally:
            os.close(file)

    def _make(self, path: Path, *, size: int, fetch: Callable[[Path], None]) -> None:
        """Fetch the file, or wait until another process has tried to."""
        if size > self.limit_bytes:
            raise FileTooLargeError(f"{size / GIGABYTE:.3g} GB do not fit into the cache of {self.gigabytes:g} GB (cache.gigabytes)")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path / "drafts" / f"{path.name}.{size}"
        with _opened(draft) as file:
            if not os.fstat(file).st_nlink:
                return
            if path.exists():  # another process has completed it in between
                _remove_own(draft, file)
                return
            self._reserve(max(size, 0), own=draft.name)
            try:
                fetch(draft)
                written = draft.stat().st_size
                draft.replace(path)
            except BaseException:
                draft.unlink(missing_ok=True)
                self._give_back(max(size, 0))
                raise
            if size < 0:
                self._reserve(written, own="")

    def _reserve(self, size: int, *, own: str) -> None:
        """Count the file, after room is made for it."""
        with _opened(self.path / "used") as file:
            used = _number_in(file)
            if used + size > self.limit_bytes:
                used = self._remove_oldest(to=int(self.limit_bytes * KEPT_FRACTION) - size, own=own)
            os.pwrite(file, f"{used + size:<31}\n".encode(), 0)

    def _give_back(self, size: int) -> None:
        with _opened(self.path / "used") as file:
            os.pwrite(file, f"{max(0, _number_in(file) - size):<31}\n".encode(), 0)

    def _remove_oldest(self, *, to: int, own: str) -> int:
        """Remove drafts of killed processes, then the files used least recently until `to` bytes remain. Returns what remains."""
        total, files = self._in_drafts(own), list[tuple[float, int, str]]()
        for path in (self.path / "files").glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, os.fspath(path)))
        total += sum(size for _, size, _ in files)
        for _, size, name in sorted(files):
            if total <= to:
                break
            if _removed_unless_in_use(Path(name)):
                total -= size
        return total

    def _in_drafts(self, own: str) -> int:
        total = 0
        for draft in (self.path / "drafts").iterdir():
            if draft.name != own and not _removed_unless_in_use(draft):
                total += max(0, int(draft.name.rpartition(".")[2]))
        return total


def _in_use(path: Path, *, size: int) -> int | None:
    """A descriptor that holds a shared lock on the complete file; None if there is none. Its time says when it was last used."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    _lock(file, exclusive=False)
    status = os.fstat(file)
    if not status.st_nlink or (size >= 0 and status.st_size != size):
        if status.st_nlink:
            path.unlink(missing_ok=True)  # cut short by a power failure
        os.close(file)
        return None
    os.utime(file)
    return file


def _removed_unless_in_use(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        if not _lock(file, exclusive=True, wait=False):
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(file)


def _remove_own(path: Path, file: int) -> None:
    """Remove `path` if it is still this locked file: opening it may have made it anew."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(file), path.stat()):
            path.unlink()


def _lock(file: int, *, exclusive: bool, wait: bool = True) -> bool:
    """Lock an open file; False if another process or thread holds it. A file system without locks has no protection."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made, while the block runs."""
    with _opened(path):
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The descriptor of a file, which is made, with its exclusive lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(file, exclusive=True)
        yield file
    finally:
        os.close(file)


def _number_in(file: int) -> int:
    return int(os.pread(file, 32, 0).strip() or b"0")
