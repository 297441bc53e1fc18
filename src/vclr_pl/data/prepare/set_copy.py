"""A copy of a data set's folder: videos re-encoded, all other files as they are, every file under its own name.

A re-encoded `.avi` or `.webm` keeps its name though an MP4 is inside: FFmpeg, and so every decoder here, goes by a file's content, and
lists, labels and retrieval results that name files hold for the copy as they do for the original.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vclr_pl.data.prepare.reencode import Reencoder
from vclr_pl.datasets.video_scan import data_folder, is_video, scan_files
from vclr_pl.files import DISK_IS_FULL, write_whole
from vclr_pl.types import InputError
from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.readability import SignOfLife, map_in_processes, process_count

SETTINGS_FILE = ".vclr_prepare.json"
REENCODED, COPIED, KEPT, PRESENT, ABSENT = "reencoded", "copied", "kept", "present", "absent"
_SAME_TIME_SECONDS = 2.0  # some file systems keep times no finer
_EARLIER_SECONDS = 3600.0  # a file that was kept bears a time that is not its original's, so that a later run tries it again


@dataclass(frozen=True)
class CopiedFile:
    """One row of `prepare.csv`.

    `status`: reencoded; copied, for what is no video; kept, for a video that does not decode and was copied as it is; present, for what
    an earlier run has done; absent, for what cannot even be copied.
    """

    path: str  # relative to both folders
    status: str
    bytes_before: int
    bytes_after: int
    frames: int
    seconds: float
    reason: str  # of a video that was kept

    @property
    def failed(self) -> bool:
        return self.status in (KEPT, ABSENT)


def summary(rows: list[CopiedFile]) -> str:
    """How many files had which fate, and what their videos weigh, in words."""
    counts = {status: sum(row.status == status for row in rows) for status in (REENCODED, KEPT, PRESENT)}
    videos = [row for row in rows if row.status in (REENCODED, KEPT)]
    before, after = sum(row.bytes_before for row in videos) / 1e6, sum(row.bytes_after for row in videos) / 1e6
    told = f"{counts[REENCODED]} videos re-encoded, {counts[KEPT]} kept as they are: {before:.1f} MB became {after:.1f} MB"
    return f"{told}; {counts[PRESENT]} files were there before"


class SetCopy:
    """Copies folders, `processes` files at a time (None: as many as there are cores at hand), each in a process of its own.

    A video on which the decoder crashes, or that gives no frame for `decode_timeout_seconds`, is kept as it is, as one that does not
    decode. A file appears under its name when it is whole, so a copy that was interrupted is continued by the same call.
    """

    def __init__(self, *, reencoder: Reencoder, processes: int | None, decode_timeout_seconds: float) -> None:
        self.reencoder, self.processes = reencoder, process_count(processes, key="set_copy.processes")
        self.decode_timeout_seconds = decode_timeout_seconds

    def plan(self, *, root: str | Path, output: str | Path) -> list[str]:
        """The files below `root`, relative to it. Makes `output` and keeps the settings there.

        Raises InputError where one folder stands in the other, or `output` holds what was not made with these settings.
        """
        folder, target = data_folder(root), Path(output).expanduser().absolute()
        inner, outer = folder.resolve(), target.resolve()
        if inner == outer or inner in outer.parents or outer in inner.parents:
            raise InputError(expected="output to be a folder apart from data.root", got=f"'{target}'", hint="Set output=DIR elsewhere.")
        self._claim(target)
        return list(scan_files(folder, wanted=lambda name: not name.startswith(".")))

    def copy(self, files: list[str], *, root: str | Path, output: str | Path) -> Iterator[CopiedFile]:
        """One row a file, in the order in which they are done. Raises OSError on a full disk."""
        source, target = Path(root).expanduser().absolute(), Path(output).expanduser().absolute()

        work = functools.partial(_copied, reencoder=self.reencoder, source=source, target=target)

        def failed(file: str, reason: str) -> CopiedFile:
            return _keep(file, source / file, target / file, reason=reason)

        rows: Iterator[CopiedFile | OSError] = map_in_processes(
            files, work=work, failed=failed, processes=self.processes, silence_seconds=self.decode_timeout_seconds
        )
        for row in rows:
            if isinstance(row, OSError):
                raise row
            yield row

    def _claim(self, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        marker = target / SETTINGS_FILE
        if not marker.exists():
            if any(target.iterdir()):
                raise InputError(
                    expected="output to be an empty or new folder", got=f"'{target}', which holds files", hint="Set output=DIR."
                )
            write_whole(marker, json.dumps(self.reencoder.settings, indent=1) + "\n")
        if json.loads(marker.read_text()) != self.reencoder.settings:
            raise InputError(
                expected=f"the settings with which '{target}' was begun, {marker.read_text().split()}",
                got=f"{self.reencoder.settings}",
                hint="Repeat those, or set output=DIR to another folder.",
            )


def _copied(file: str, sign_of_life: SignOfLife, *, reencoder: Reencoder, source: Path, target: Path) -> CopiedFile | OSError:
    """The row, or the error of a full disk, which ends the whole copy: the files that follow would fail too."""
    try:
        return _copy_file(file, sign_of_life, reencoder=reencoder, source=source, target=target)
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        _draft(target / file).unlink(missing_ok=True)
        return OSError(error.errno, error.strerror, str(target / file))


def _copy_file(file: str, sign_of_life: SignOfLife, *, reencoder: Reencoder, source: Path, target: Path) -> CopiedFile:
    original, copy = source / file, target / file
    started, status = time.perf_counter(), original.stat()
    if copy.exists() and abs(copy.stat().st_mtime - status.st_mtime) < _SAME_TIME_SECONDS:
        return CopiedFile(file, PRESENT, status.st_size, copy.stat().st_size, 0, 0.0, "")
    if not is_video(original.name):
        _replace_by_copy(original, copy)
        return CopiedFile(file, COPIED, status.st_size, status.st_size, 0, round(time.perf_counter() - started, 3), "")
    draft = _draft(copy)
    try:
        frames = reencoder.encode(original, draft, each_frame=sign_of_life)
    except VideoReadError as error:
        return _keep(file, original, copy, reason=error.reason)
    os.utime(draft, ns=(status.st_atime_ns, status.st_mtime_ns))
    draft.replace(copy)
    seconds = round(time.perf_counter() - started, 3)
    return CopiedFile(file, REENCODED, status.st_size, copy.stat().st_size, frames, seconds, "")


def _draft(target: Path) -> Path:
    """Where a file grows until it is whole: hidden, always the same, so that what an interrupted run left is written over."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.unfinished")


def _replace_by_copy(source: Path, target: Path) -> None:
    draft, status = _draft(target), source.stat()
    shutil.copyfile(source, draft)  # without its rights: a read-only draft could not be written over
    os.utime(draft, ns=(status.st_atime_ns, status.st_mtime_ns))
    draft.replace(target)


def _keep(file: str, source: Path, target: Path, *, reason: str) -> CopiedFile:
    try:
        _replace_by_copy(source, target)
    except OSError as error:  # shutil's refusal of a pipe is one too
        if error.errno in DISK_IS_FULL:
            _draft(target).unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(target)) from error
        return CopiedFile(file, ABSENT, 0, 0, 0, 0.0, f"{reason}; not copied: {error.strerror or error}")
    status = source.stat()
    os.utime(target, (status.st_atime, status.st_mtime - _EARLIER_SECONDS))
    return CopiedFile(file, KEPT, status.st_size, status.st_size, 0, 0.0, reason)
