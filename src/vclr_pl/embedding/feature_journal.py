"""Which videos are done: a line each, written after its feature. It is what a new start goes on from.

Every rank writes a journal of its own and reads all of them, so an extraction may go on with another number of ranks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from torch import Tensor

from vclr_pl.embedding.feature_folder import VIDEOS, FeatureFolder
from vclr_pl.types import BrokenVideo
from vclr_pl.whole_file import errors_name

PATTERN = "journal_*.jsonl"
_ROWS_AT_ONCE = 4096  # between two waits for the disk


class FeatureJournal:
    """Writes features into the folder's draft at their videos' places, and says so; a context manager.

    Args:
        folder: begun.
        rank: of this process.
    """

    def __init__(self, *, folder: FeatureFolder, rank: int) -> None:
        self.folder = folder
        self._row_bytes = 4 * folder.feature_dim
        self._draft = os.open(folder.draft, os.O_RDWR | os.O_CREAT, 0o644)
        with errors_name(folder.draft):
            os.ftruncate(self._draft, self._row_bytes * len(folder.manifest))
        self._path = folder.path / f"journal_{rank:05}.jsonl"
        _cut_half_line(self._path)
        self._file = self._path.open("ab", buffering=0)

    def write(self, *, features: Mapping[int, Tensor], frames: Mapping[int, int], broken: Sequence[tuple[int, BrokenVideo]]) -> None:
        """Features `[F]` float32 on the CPU by video index, the number of frames of each, and the videos without any."""
        with errors_name(self.folder.draft):
            for index, feature in features.items():
                self._write_row(index, feature.numpy().astype(np.float32, copy=False).tobytes())
            os.fdatasync(self._draft)  # a line must never stand for a feature that a power cut has taken
        lines: list[dict[str, Any]] = [{"video": index, "frames": frames[index]} for index in features]
        lines += [{"video": index, "frames": 0, **_told(video)} for index, video in broken]
        with errors_name(self._path):
            self._file.write("".join(f"{json.dumps(line)}\n" for line in lines).encode())

    def _write_row(self, index: int, content: bytes) -> None:
        """All of it: on a disk that is nearly full `pwrite` writes a part and says so, and the next one fails."""
        place = index * self._row_bytes
        while content:
            written = os.pwrite(self._draft, content, place)
            content, place = content[written:], place + written

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        os.close(self._draft)


def read_journals(folder: FeatureFolder) -> tuple[dict[int, int], dict[int, BrokenVideo]]:
    """Number of frames by index of each readable video that is done, and the others, by all ranks of all starts."""
    frames: dict[int, int] = {}
    broken: dict[int, BrokenVideo] = {}
    for path in sorted(folder.path.glob(PATTERN)):
        for text in path.read_bytes().split(b"\n")[:-1]:  # what follows the last line's end is half a line
            line = json.loads(text)
            index = int(line["video"])
            if line["frames"]:
                frames[index] = int(line["frames"])
            elif index not in broken or broken[index].is_temporary:
                broken[index] = BrokenVideo(
                    path=folder.manifest.path(index),
                    backend=line["backend"],
                    reason=line["reason"],
                    is_temporary=line.get("is_temporary", False),
                )
    return frames, {index: video for index, video in broken.items() if index not in frames}


def reopen(folder: FeatureFolder) -> None:
    """Turns a finished folder back into one that was interrupted: what may be readable by now is left to do. Killed, it changes nothing."""
    if not folder.complete:
        return
    remove_journals(folder)
    fates = list(folder.fates())
    frames = {index: count for index, count, broken in fates if broken is None}
    lasting = [(index, broken) for index, _, broken in fates if broken is not None and not broken.is_temporary]
    rows, readable = folder.table().features, list(frames)
    with FeatureJournal(folder=folder, rank=0) as journal:
        for start in range(0, len(readable), _ROWS_AT_ONCE):
            some = readable[start : start + _ROWS_AT_ONCE]
            journal.write(features=dict(zip(some, rows[start:], strict=False)), frames=frames, broken=[])
        journal.write(features={}, frames={}, broken=lasting)
    (folder.path / VIDEOS).unlink()


def remove_journals(folder: FeatureFolder) -> None:
    for path in folder.path.glob(PATTERN):
        path.unlink()


def _told(video: BrokenVideo) -> dict[str, Any]:
    told = {"backend": video.backend, "reason": video.reason}
    return told | {"is_temporary": True} if video.is_temporary else told


def _cut_half_line(path: Path) -> None:
    if path.is_file():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)
