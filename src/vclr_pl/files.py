"""Files and the machine: atomic writes, whole checkpoints, CSV, the system's errors in words, cores, memory; evenly spaced positions."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import math
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from vclr_pl.types import InputError

ANY_BYTE: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}  # file names are bytes; a CSV file keeps all of them


UNFINISHED = ".unfinished"  # end of the name of a draft


@contextlib.contextmanager
def whole_file(path: Path, *, one_writer: bool = False) -> Iterator[Path]:
    """The name of a draft beside `path`. The block writes the draft; its end moves it to `path`, and its failure removes it.

    The folder is made. Several processes may write the same file at once: their drafts have different names.

    Args:
        one_writer: only one process writes the file. The draft has a fixed name, so it replaces the draft of a killed process.

    Raises:
        OSError: the file cannot be written; the error names the file.
    """
    writer = "" if one_writer else f".{os.getpid()}"
    draft = path.with_name(f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}{writer}{UNFINISHED}")
    with errors_name(path, draft=draft):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def remove_drafts(folder: Path) -> None:
    """Remove the drafts that killed processes have left below `folder`, into which nothing else writes."""
    for draft in folder.rglob(f".*{UNFINISHED}"):
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def errors_name(path: Path, *, draft: Path | None = None) -> Iterator[None]:
    """Name `path` in the OSErrors of the block that name no file, such as those of `file.write`, or its draft.

    What torch and NumPy raise on a full disk is an OSError of a full disk then.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None and str(error).endswith("written"):  # NumPy: "100000 requested and 12784 written"
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        if error.errno is not None and (error.filename2 or error.filename) in (None, draft, str(draft)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    except RuntimeError as error:  # torch.save: "unexpected pos 704 vs 598", raised while it handles the disk's own error
        if isinstance(cause := error.__context__, OSError) and cause.errno is not None:
            raise OSError(cause.errno, cause.strerror, str(path)) from error
        raise


def file_stamp(path: str | Path) -> tuple[int, int] | None:
    """Size in bytes and time of the last change in nanoseconds. None if the file does not exist."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def usable(path: Path) -> bool:
    """True if a checkpoint is whole: a zip archive, as torch writes it, whose records all have their checksums. 620 MB take 0.3 seconds."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None and any(name.endswith("/data.pkl") for name in archive.namelist())
    except (OSError, ValueError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error):
        return False


def write_whole(path: Path, content: bytes | str) -> None:
    """Write bytes, or text as UTF-8."""
    with whole_file(path) as draft:
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_csv(path: Path, header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Write a table. A byte of a file's name that is not UTF-8 is written as it is."""
    with whole_file(path) as draft, draft.open("w", newline="", **ANY_BYTE) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# by number: what was expected, what came, what to do; {path} is the file or folder
IN_WORDS = {
    errno.ENOSPC: ("room on the disk", "none for {path}", "Free some space, or choose another folder."),
    errno.EFBIG: ("room for a file of this size", "none for {path}", "Raise the limit with `ulimit -f`, or choose another folder."),
    errno.EDQUOT: ("room within your disk quota", "none for {path}", "Free some space, or choose another folder."),
    errno.EACCES: ("a file or folder that you may use", "{path} (permission denied)", "Change its permissions, or choose another."),
    errno.EPERM: ("a file or folder that you may use", "{path} (not permitted)", "Change its permissions, or choose another."),
    errno.EROFS: ("a folder that can be written", "{path} on a read-only file system", "Choose another folder."),
    errno.ENOTDIR: ("a folder", "{path}, which leads through a file", "Choose another folder."),
    errno.EEXIST: ("a folder", "{path}, which is a file", "Choose another folder."),
    errno.EISDIR: ("a file", "{path}, which is a folder", "Add a file name."),
    errno.ENOENT: ("a file or folder that exists", "no {path}", "Correct the path; make the folder."),
    errno.ENAMETOOLONG: ("a name that the file system takes", "{path}, which is too long", "Choose a shorter name."),
    errno.EMFILE: ("files that may be opened", "too many at once", "Raise the limit with `ulimit -n`."),
    errno.EPIPE: ("a program that reads the output", "one that has ended", "Write the output into a file to keep it."),
}


def in_words(error: OSError) -> InputError | None:
    """The line for an error of the system, or None for an OSError without a number, which Python code has made."""
    if error.errno is None:
        return None
    named = error.filename2 or error.filename
    path = "the output" if named is None else f"'{os.fsdecode(named) if isinstance(named, bytes) else named}'"
    said = error.strerror or os.strerror(error.errno)
    other = ("the system to read and write {path}", said, "Repeat the command when it does.")
    expected, got, hint = IN_WORDS.get(error.errno, other)
    return InputError(expected=expected.format(path=path), got=got.format(path=path), hint=hint)


def drop_output() -> None:
    """Throw away what stdout cannot take (a closed pipe, a full disk): Python would end with its own words about it."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


OWN_GROUPS, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_cores(*, own_groups: Path = OWN_GROUPS, groups: Path = GROUPS) -> int:
    """At least 1. A limit of 2.5 processors counts as 3.

    Args:
        own_groups: which control groups this process is in, as Linux lists them; absent elsewhere.
        groups: where the control groups are mounted.
    """
    limit = core_limit(own_groups=own_groups, groups=groups)
    return max(1, len(bound_cores()) if limit is None else min(limit, len(bound_cores())))


def bound_cores() -> frozenset[int]:
    """Numbers of the cores on which the system lets this process run: all, or those that a scheduler or `taskset` has bound it to."""
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))  # macOS has no affinity


def core_limit(*, own_groups: Path = OWN_GROUPS, groups: Path = GROUPS) -> int | None:
    """Cores' worth of time that the control groups allow this process and the others in them, rounded up; None for no limit."""
    limits = _limits(own_groups, groups, controllers=("cpu", "cpu,cpuacct"), limit_of=_processor_limit)
    return math.ceil(min(limits)) if limits else None


def machine_memory(*, own_groups: Path = OWN_GROUPS, groups: Path = GROUPS) -> int | None:
    """Bytes of main memory that this process may use, by the machine and its control groups; None where the system does not say it."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None
    return int(min([machine, *_limits(own_groups, groups, controllers=("memory",), limit_of=_memory_limit)]))


def _limits(own_groups: Path, groups: Path, *, controllers: Sequence[str], limit_of: Callable[[Path], float | None]) -> list[float]:
    """Of each own group and those around it that have one."""
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controller, path = line.split(":", 2)
        if controller in ("", *controllers):  # empty: version 2, which has one tree for all
            top = groups / controller
            folder = top / path.strip("/")
            found += [limit_of(around) for around in (folder, *folder.parents) if around.is_relative_to(top)]
    return [limit for limit in found if limit is not None]


def _processor_limit(folder: Path) -> float | None:
    """In processors, of one group; None where it has none. A container may not see its own group, only its parent under the same name."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        microseconds, of = float(quota), float(period)
    except (OSError, ValueError):  # `max`
        return None
    return microseconds / of if microseconds > 0 and of > 0 else None


def _memory_limit(folder: Path) -> float | None:
    """In bytes, of one group; None where it has none."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            return float((folder / name).read_text())
        except (OSError, ValueError):  # absent, or `max`
            continue
    return None


def evenly_spaced(count: int, wanted: int, *, at: Literal["start", "middle", "ends"] = "start") -> list[int]:
    """0-based, ascending positions of `wanted` of `count` items; all of them if there are fewer.

    Args:
        at: `start` or `middle` of as many equal parts, rounded down; `ends` includes the first and the last item, rounded to the nearest.
    """
    shown = min(count, wanted)
    if at == "ends":
        return [round((count - 1) * part / max(1, shown - 1)) for part in range(shown)]
    return [(2 * part + (at == "middle")) * count // (2 * shown) for part in range(shown)]
