"""Features of a list of videos on disk: three files that need nothing but NumPy to be read.

`features.npy`, float32 `[N, F]`, memory-mapped; `videos.csv`, one line a video of the list, in its order, with the row of its
feature; `features.json`, what they were made of. A folder is complete when `videos.csv` is there. A video whose cause may pass (a time
limit) is `unread` in it, and the next command tries it again; `broken` is the file's own fault.

Legend: N videos with a feature, F features.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vclr_pl.data.manifest import Manifest
from vclr_pl.types import BrokenVideo, FeatureTable, InputError
from vclr_pl.whole_file import ANY_BYTE, whole_file, write_csv, write_whole

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
                remedy="Choose another folder.",
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
