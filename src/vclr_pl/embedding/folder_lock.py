"""One command at a time in a feature folder, among processes that know nothing of each other."""

from __future__ import annotations

import errno
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: do without
    fcntl = None  # type: ignore[assignment]

LOCK = "features.lock"
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # what file systems without locks say


class FolderLock:
    """An advisory lock on `folder`, that the system takes back when this process dies.

    It is the process's own: loader workers, which are forked, neither hold it nor keep it alive. Where the system or the file system
    has no locks, everyone gets it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._file: int | None = None

    def acquired(self) -> bool:
        """Try, without waiting, and say whether this process has it."""
        if fcntl is None or self._file is not None:
            return True
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            return error.errno in WITHOUT_LOCKS
        if not self._is_there(file):  # its last owner has removed it in between; the next try makes a new one
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Remove the lock's file and free it; nothing where this process does not have it."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _is_there(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False
