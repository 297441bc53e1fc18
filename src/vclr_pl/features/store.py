"""A folder of features of videos.

Legend: N videos with a feature, F features.

`features.npy`, float32 `[N, F]`, is memory-mapped. `videos.csv` has one line for each video of the list, in its order, with the row of its
feature. `features.json` describes what the features depend on. A folder is complete when `videos.csv` exists.

The status of a video without a feature is `broken` if its file is faulty. It is `unread` if the cause may be temporary (a time limit): the
next command retries it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.files import ANY_BYTE, errors_name, whole_file, write_csv
from vclr_pl.store import Part, ResumableFolder
from vclr_pl.types import BrokenVideo, FeatureTable

FEATURES, VIDEOS, DESCRIPTION = "features.npy", "videos.csv", "features.json"
DRAFT = "features.draft"
COLUMNS = ("path", "label", "class", "frames", "status", "row")
OK, BROKEN, UNREAD = "ok", "broken: ", "unread: "
_ROWS_AT_ONCE = 4096  # between two syncs to disk


class FeatureFolder:
    """The features of `manifest` in `path`, complete or not."""

    def __init__(self, *, path: Path, manifest: Manifest, feature_dim: int, part: Part | None = None) -> None:
        self.path, self.manifest, self.feature_dim, self.part = path, manifest, feature_dim, part
        self.store = ResumableFolder(path, description=DESCRIPTION, part=part)
        self.videos_read, self.seconds_read = 0, 0.0  # by this process, which may have found all of them stored

    @property
    def is_complete(self) -> bool:
        return (self.path / VIDEOS).is_file()

    @property
    def is_kept(self) -> bool:
        """True if complete and, in a writable folder, no video remains to be retried; of a part, if its videos are finished."""
        if self.part is not None:
            return self.is_complete or (not self.unfinished() and not self.is_ready)
        return self.is_complete and not (os.access(self.path, os.W_OK) and self.has_unread())

    @property
    def draft(self) -> Path:
        """Temporary array, float32 `[videos of the list, F]` without a header, filled as videos are read."""
        return self.path / DRAFT

    def begin(self, description: Mapping[str, Any]) -> None:
        """Create the folder, or check that it contains the same features.

        Raises:
            InputError: the folder contains features of another encoder, list or protocol.
        """
        self.store.begin(description, content="features", hint="Choose another folder.")

    def write(
        self, *, features: Mapping[int, Tensor], frames: Mapping[int, int], broken: Sequence[tuple[int, BrokenVideo]], rank: int
    ) -> None:
        """Write features into the temporary array, then their lines into the journal of `rank`.

        Args:
            features: `[F]` float32 on the CPU, by video index.
            frames: number of averaged frames of each feature.
            broken: videos without a feature.
        """
        row_bytes = 4 * self.feature_dim
        with errors_name(self.draft), os.fdopen(os.open(self.draft, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as draft:
            draft.truncate(row_bytes * len(self.manifest))
            for index, feature in features.items():
                draft.seek(index * row_bytes)
                draft.write(feature.numpy().astype(np.float32, copy=False).tobytes())
            draft.flush()
            os.fdatasync(draft.fileno())  # the feature must be on disk before its line, also after a power failure
        lines: list[dict[str, Any]] = [{"video": index, "frames": frames[index]} for index in features]
        lines += [
            {"video": index, "frames": 0, "backend": video.backend, "reason": video.reason, "is_temporary": video.is_temporary}
            for index, video in broken
        ]
        self.store.append(lines, rank=rank)

    def finished(self) -> tuple[dict[int, int], dict[int, BrokenVideo]]:
        """The number of frames of each finished video, and the broken videos, by video index."""
        frames, broken = {}, {}
        for index, line in self.store.finished().items():
            if line["frames"]:
                frames[index] = int(line["frames"])
            else:
                path, is_temporary = self.manifest.path(index), line.get("is_temporary", False)
                broken[index] = BrokenVideo(path=path, backend=line["backend"], reason=line["reason"], is_temporary=is_temporary)
        return frames, broken

    def unfinished(self) -> list[int]:
        """The videos of this part that have neither a feature nor a lasting fault; with a part, no fault is tried twice."""
        frames, broken = self.finished()
        done = {*frames, *(index for index, video in broken.items() if self.part is not None or not video.is_temporary)}
        everything = range(len(self.manifest))
        return [index for index in everything if index not in done and (self.part is None or self.part.has(self.manifest.path(index)))]

    @property
    def is_ready(self) -> bool:
        """True if the journals have every video of the list."""
        return len(self.store.finished()) == len(self.manifest)

    def merge(self) -> bool:
        """Complete the folder if all parts are finished. Of several parts that end at the same time one does it."""
        if not self.is_complete and self.is_ready:
            with ResumableFolder(self.path, description=DESCRIPTION).exclusive(is_complete=lambda: self.is_complete) as was_complete:
                if not was_complete:
                    self.finish()
        return self.is_complete

    def finish(self) -> None:
        """Pack the features of the readable videos, list all videos, and remove the temporary array and the journals."""
        frames, broken = self.finished()
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
        self.store.remove_journals()

    def reopen(self) -> None:
        """Turn a complete folder into an interrupted one without the unread videos. If this is interrupted, the folder stays complete."""
        if not self.is_complete:
            return
        self.store.remove_journals()
        fates = list(self.fates())
        frames = {index: count for index, count, broken in fates if broken is None}
        lasting = [(index, broken) for index, _, broken in fates if broken is not None and not broken.is_temporary]
        rows, readable = self.table().features, list(frames)
        for start in range(0, len(readable), _ROWS_AT_ONCE):
            some = readable[start : start + _ROWS_AT_ONCE]
            self.write(features=dict(zip(some, rows[start:], strict=False)), frames=frames, broken=[], rank=0)
        self.write(features={}, frames={}, broken=lasting, rank=0)
        (self.path / VIDEOS).unlink()

    def _write_videos(self, *, frames: Mapping[int, int], broken: Mapping[int, BrokenVideo]) -> None:
        def rows() -> Iterator[list[object]]:
            row, names = 0, self.manifest.class_names
            for index in range(len(self.manifest)):
                label = self.manifest.label(index)
                columns = ["" if label < 0 else label, names[label] if 0 <= label < len(names) else ""]
                if index in frames:
                    yield [self.manifest.path(index), *columns, frames[index], OK, row]
                    row += 1
                else:
                    video = broken[index]
                    yield [self.manifest.path(index), *columns, 0, broken_status(video), ""]

        write_csv(self.path / VIDEOS, COLUMNS, rows())

    def table(self) -> FeatureTable:
        """The memory-mapped features and the broken videos."""
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
        """For each video of a complete folder: its index, the number of averaged frames, and the reason if it has no feature."""
        with (self.path / VIDEOS).open(newline="", **ANY_BYTE) as file:
            for index, line in enumerate(csv.DictReader(file)):
                yield index, int(line["frames"]), None if line["status"] == OK else broken_of(line["status"], path=line["path"])

    def has_unread(self) -> bool:
        """True if a complete folder has unread videos, for which a retry may succeed."""
        return any(broken is not None and broken.is_temporary for _, _, broken in self.fates())


def broken_status(video: BrokenVideo) -> str:
    """The status in `videos.csv`, which `broken_of` reads."""
    return f"{UNREAD if video.is_temporary else BROKEN}{video.reason} ({video.backend})"


def broken_of(status: str, *, path: str) -> BrokenVideo:
    """The broken video of a line of `videos.csv`."""
    reason, _, backend = status.removeprefix(UNREAD).removeprefix(BROKEN).rpartition(" (")
    return BrokenVideo(path=path, backend=backend.rstrip(")"), reason=reason, is_temporary=status.startswith(UNREAD))
