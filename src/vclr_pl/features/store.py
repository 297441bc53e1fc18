"""A folder of features: arrays, the journal that resumes it, and its description.

Legend: N videos with a feature, F features.

`features.npy`, float32 `[N, F]`, memory-mapped; `videos.csv`, one line a video of the list, in its order, with the row of its
feature; `features.json`, what they were made of. A folder is complete when `videos.csv` is there. A video whose cause may pass (a time
limit) is `unread` in it, and the next command tries it again; `broken` is the file's own fault.

Every rank writes a journal of its own and reads all of them, so an extraction may go on with another number of ranks.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.files import ANY_BYTE, errors_name, whole_file, write_csv, write_whole
from vclr_pl.types import BrokenVideo, FeatureTable, InputError

FEATURES, VIDEOS, DESCRIPTION = "features.npy", "videos.csv", "features.json"
DRAFT = "features.draft"
COLUMNS = ("path", "label", "class", "frames", "status", "row")
OK, BROKEN, UNREAD = "ok", "broken: ", "unread: "


class FeatureFolder:
    """The features of `manifest` below `path`, finished or begun."""

    def __init__(self, *, path: Path, manifest: Manifest, feature_dim: int) -> None:
        self.path, self.manifest, self.feature_dim = path, manifest, feature_dim

    @property
    def complete(self) -> bool:
        return (self.path / VIDEOS).is_file()

    @property
    def draft(self) -> Path:
        """float32 `[videos of the list, F]` without a header, filled as videos are read."""
        return self.path / DRAFT

    def begin(self, description: Mapping[str, Any]) -> None:
        """Make the folder, or see that the one that is there holds the same.

        Raises:
            InputError: features of another encoder, list or protocol are there.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(description, indent=2, sort_keys=True) + "\n"
        file = self.path / DESCRIPTION
        if file.is_file() and file.read_text() != text:
            stored = json.loads(file.read_text())
            differing = [name for name in description if stored.get(name) != description[name]]
            raise InputError(
                expected=f"{self.path} to be empty, or to hold features of the same encoder, videos and protocol",
                got=f"features of another {', '.join(differing) or 'make'}",
                hint="Choose another folder.",
            )
        if not file.is_file():
            write_whole(file, text)

    def finish(self, *, frames: Mapping[int, int], broken: Mapping[int, BrokenVideo]) -> None:
        """Pack the rows of the readable videos, then tell the videos.

        Args:
            frames: of each readable video by its place in the list, how many were averaged.
            broken: the others.
        """
        draft = np.memmap(self.draft, np.float32, mode="r", shape=(len(self.manifest), self.feature_dim)) if frames else None
        shape = (len(frames), self.feature_dim)
        with whole_file(self.path / FEATURES) as unfinished, unfinished.open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for index in sorted(frames):
                assert draft is not None
                file.write(draft[index].tobytes())
        self._write_videos(frames=frames, broken=broken)
        self.draft.unlink(missing_ok=True)

    def _write_videos(self, *, frames: Mapping[int, int], broken: Mapping[int, BrokenVideo]) -> None:
        def rows() -> Iterator[list[object]]:
            row, names = 0, self.manifest.class_names
            for index in range(len(self.manifest)):
                label = self.manifest.label(index)
                told = ["" if label < 0 else label, names[label] if 0 <= label < len(names) else ""]
                if index in frames:
                    yield [self.manifest.path(index), *told, frames[index], OK, row]
                    row += 1
                else:
                    video = broken[index]
                    yield [self.manifest.path(index), *told, 0, broken_status(video), ""]

        write_csv(self.path / VIDEOS, COLUMNS, rows())

    def table(self) -> FeatureTable:
        """The features in memory-mapped pages, and the broken videos."""
        rows, others = [], []
        for index, _, broken in self.fates():
            if broken is None:
                rows.append(index)
            else:
                others.append(broken)
        mapped = np.load(self.path / FEATURES, mmap_mode="c" if rows else None)
        return FeatureTable(
            features=torch.from_numpy(mapped),
            label=torch.tensor([self.manifest.label(index) for index in rows], dtype=torch.long),
            video_index=torch.tensor(rows, dtype=torch.long),
            path=tuple(self.manifest.path(index) for index in rows),
            class_names=self.manifest.class_names,
            broken=tuple(others),
        )

    def fates(self) -> Iterator[tuple[int, int, BrokenVideo | None]]:
        """Of a complete folder: each video's place in the list, how many frames were averaged, and why there are none."""
        with (self.path / VIDEOS).open(newline="", **ANY_BYTE) as file:
            for index, line in enumerate(csv.DictReader(file)):
                yield index, int(line["frames"]), None if line["status"] == OK else broken_of(line["status"], path=line["path"])

    def has_unread(self) -> bool:
        """Whether a complete folder lacks videos that another try may read."""
        return any(broken is not None and broken.is_temporary for _, _, broken in self.fates())


def broken_status(video: BrokenVideo) -> str:
    """Its status in `videos.csv`, which `broken_of` reads."""
    return f"{UNREAD if video.is_temporary else BROKEN}{video.reason} ({video.backend})"


def broken_of(status: str, *, path: str) -> BrokenVideo:
    """The broken video that a line of `videos.csv` tells of."""
    reason, _, backend = status.removeprefix(UNREAD).removeprefix(BROKEN).rpartition(" (")
    return BrokenVideo(path=path, backend=backend.rstrip(")"), reason=reason, is_temporary=status.startswith(UNREAD))


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
