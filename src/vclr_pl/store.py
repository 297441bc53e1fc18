"""A folder of results that a killed command continues. The features, the proposals and the copies of videos use it.

- The description, a JSON file, contains what the results depend on. A command that would make other results is refused.
- A journal, `<name>_<rank>.jsonl`, contains one line for each finished video. Each rank writes its own journal and reads all of them, so a
  command continues with any number of ranks. The result of a video is on the disk before its line.
- The lock admits one command at a time. It is removed when the command ends.
- Commands with a `part` each have a journal and a lock of their own, so that they run at the same time, on one machine or on many. The
  journals say what all of them have finished: the command that finishes last completes the folder.

The results themselves (rows, arrays, files) and the list of videos belong to the code that uses the folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vclr_pl.files import errors_name, write_whole
from vclr_pl.types import InputError

try:
    import fcntl
except ImportError:  # Windows has no advisory locks
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

LOCK = ".vclr.lock"
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # errors of file systems without locks
BETWEEN_TRIES_SECONDS = 1.0
OTHER_MACHINE_SECONDS = 150.0  # NFS version 4 and Lustre free the locks of a dead machine within about 100 seconds


@dataclass(frozen=True)
class Part:
    """Part `number` of `count`, from 1. The hash of its path puts a file into a part, whatever else is in the list."""

    number: int
    count: int

    @classmethod
    def of(cls, text: str | None) -> Part | None:
        """`3/100`; None for None. Raises InputError for other text."""
        if text is None:
            return None
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", str(text))
        part = None if found is None else cls(int(found[1]), int(found[2]))
        if part is None or not 1 <= part.number <= part.count:
            raise InputError(
                expected="part=NUMBER/COUNT, from 1/COUNT to COUNT/COUNT", got=f"part={text}", hint="Set for instance part=3/100."
            )
        return part

    @property
    def name(self) -> str:
        return f"part_{self.number}_of_{self.count}"

    def has(self, path: str) -> bool:
        digest = hashlib.blake2b(os.fsencode(path), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1


class ResumableFolder:
    """
    Args:
        path: of the folder.
        description: file name of the description.
        journal: beginning of the file names of the journals.
        part: of the videos that this command finishes; None for all.
    """

    def __init__(self, path: Path, *, description: str, journal: str = "journal", part: Part | None = None) -> None:
        self.path, self._description, self._journal = path, path / description, journal
        self._own_journal = journal if part is None else f"{journal}_{part.name}"
        self._lock = LOCK if part is None else f"{LOCK}_{part.name}"

    def description(self) -> dict[str, Any]:
        """What the results in the folder depend on. It is empty for a folder that no command has begun."""
        return json.loads(self._description.read_text()) if self._description.is_file() else {}

    def begin(self, made_from: Mapping[str, Any], *, content: str, hint: str, ignored: Collection[str] = ()) -> None:
        """Make the folder, or check that its results depend on the same.

        Args:
            made_from: the description, as JSON.
            content: the results in words, for the error.
            ignored: entries of the description that do not change the results.

        Raises:
            InputError: the folder contains other results.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._description.is_file():
            self._describe(made_from)
        elif differing := [name for name in self._differing(made_from) if name not in ignored]:
            raise InputError(
                expected=f"'{self.path}' to be empty, or to hold {content} made with the same options",
                got=f"{content} of another {', '.join(differing)}, see {self._description.name}",
                hint=hint,
            )

    def begin_anew(self, made_from: Mapping[str, Any], *, results: Iterable[str]) -> None:
        """Make the folder. If its journals depend on something else, remove them and the files `results`."""
        self.path.mkdir(parents=True, exist_ok=True)
        differing = self._differing(made_from)
        if differing and self._description.is_file():
            logger.info("%s was made with another %s: starting again", self.path, ", ".join(differing))
            for path in (*self._journals(), *map(self.path.joinpath, results)):
                path.unlink(missing_ok=True)
        if differing:
            self._describe(made_from)

    def _describe(self, made_from: Mapping[str, Any]) -> None:
        write_whole(self._description, json.dumps(made_from, indent=2, sort_keys=True) + "\n")

    def _differing(self, made_from: Mapping[str, Any]) -> list[str]:
        stored, wanted = self.description(), json.loads(json.dumps(made_from))
        return [name for name in {**wanted, **stored} if stored.get(name) != wanted.get(name)]

    def append(self, lines: Iterable[Mapping[str, Any]], *, rank: int = 0) -> None:
        """Journal finished videos: JSON objects, each with the key `video`."""
        now = {"written_nanoseconds": time.time_ns()}
        text = "".join(f"{json.dumps({**line, **now})}\n" for line in lines)
        path = self.path / f"{self._own_journal}_{rank:05}.jsonl"
        with errors_name(path), path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    text = f"\n{text}"  # a killed command has left a part of a line
            file.write(text.encode())

    def finished(self) -> dict[Any, dict[str, Any]]:
        """The newest line of each video, from all ranks and all starts. Parts of lines are ignored."""
        lines = []
        for path in self._journals():
            for text in path.read_bytes().split(b"\n"):
                with contextlib.suppress(ValueError):
                    lines.append(json.loads(text))
        return {line["video"]: line for line in sorted(lines, key=lambda line: line.get("written_nanoseconds", 0))}

    def remove_journals(self) -> None:
        for path in self._journals():
            path.unlink()

    def _journals(self) -> list[Path]:
        return sorted(self.path.glob(f"{self._journal}_*.jsonl"))

    @contextlib.contextmanager
    def exclusive(
        self, *, is_complete: Callable[[], bool] = lambda: False, leads: bool = True, broadcast: Callable[[str], str] = str
    ) -> Iterator[bool]:
        """Lock the folder during the block; wait while another command writes to it. Yields whether the folder is complete.

        Args:
            is_complete: looks at the folder. A complete folder needs no lock, so it may be read-only.
            leads: True on rank 0, which takes the lock.
            broadcast: sends a word from rank 0 to all ranks.
        """
        lock = FolderLock(self.path, name=self._lock)
        try:
            waiting = False
            while True:
                complete = is_complete()
                is_ours = complete or not leads or lock.acquired()
                # look again: the command that held the lock may have completed the folder
                state = "complete" if complete or is_complete() else "ours" if is_ours else "busy"
                # before the first loop there is no process group: each rank goes by what it sees, and Lightning starts the others later
                state = broadcast(state)
                if state != "busy":
                    break
                if not waiting:
                    logger.info("another process writes to %s: waiting for it", self.path)
                waiting = True
                time.sleep(BETWEEN_TRIES_SECONDS)
            yield state == "complete"
        finally:
            lock.release()


class FolderLock:
    """An advisory lock on `folder`. The system releases it when this process dies; the file system does when its machine dies.

    The file names the process and its machine. Forked loader workers do not hold the lock. Every process acquires it if the system has no
    locks, or if the folder is read-only.
    """

    def __init__(self, folder: Path, *, name: str = LOCK) -> None:
        self._path = folder / name
        self._file: int | None = None

    def acquired(self) -> bool:
        """Try without waiting. True if this process holds the lock."""
        if fcntl is None or self._file is not None or not os.access(self._path.parent, os.W_OK):
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
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()} {socket.gethostname()} {_start_of(os.getpid())}".encode())
        return True

    def acquired_after_wait(self, *, seconds: float = OTHER_MACHINE_SECONDS) -> bool:
        """Try, and wait unless the holder runs on this machine: a network file system keeps the locks of a dead machine for a while.

        The name of the machine does not decide: a pod of Kubernetes has that of the lost pod which it replaces.
        """
        end, is_waiting = time.monotonic() + seconds, False
        while not self.acquired():
            if self._holder_runs_here() or time.monotonic() > end:
                return False
            if not is_waiting:
                logger.info("%s holds the lock of %s: waiting %.0f s for it", self.holder(), self._path.parent, seconds)
            is_waiting = True
            time.sleep(BETWEEN_TRIES_SECONDS)
        return True

    def holder(self) -> str:
        """The process that holds the lock, in words."""
        process, host, _ = self._holder()
        return f"process {process} of {host}" if host else "another process"

    def _holder(self) -> tuple[str, str, str]:
        """Number, machine and start of the process; the start is empty where the system does not say it, and in files of 0.1.0."""
        try:
            process, host, start, *_ = [*self._path.read_text().split(" "), "", "", ""]
        except (OSError, ValueError):
            return "", "", ""
        return process, host, start

    def _holder_runs_here(self) -> bool:
        process, host, start = self._holder()
        if host != socket.gethostname() or not process.isdecimal():
            return False
        return start == _start_of(int(process)) if start else _exists(int(process))

    def release(self) -> None:
        """Remove the lock's file and free it. Without the lock, do nothing."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _is_there(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False


def _start_of(process: int) -> str:
    """The boot of the machine and the start of a process: no other process of the same number has both. Empty without such a process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[19]}"  # clock ticks after the boot
    except OSError:
        return ""


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (OSError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return True
