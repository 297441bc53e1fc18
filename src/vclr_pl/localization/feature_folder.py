"""Features of untrimmed videos as files, one a video: ours, or a user's from elsewhere.

Legend: N snippets of a video, D features, T positions.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vclr_pl.files import whole_file, write_whole
from vclr_pl.localization.snippets import Features, resample
from vclr_pl.types import InputError

SUFFIXES = (".npy", ".csv")
VIDEOS = "videos.csv"
DESCRIPTION = "features.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SnippetFolder:
    """`<identity>.npy` or `.csv` (or `v_<identity>`), `[N, D]`: one line a snippet, in temporal order.

    A CSV file may begin with a line of names, also with 0, 1, 2, ..., which pandas gives to columns without any.
    `videos.csv`, which our extraction leaves, tells frames and broken videos.
    """

    path: Path

    def file(self, identity: str) -> Path | None:
        """The video's file, None where it has none. Raises InputError where it has one of each suffix."""
        for prefix in ("", "v_"):
            found = [file for suffix in SUFFIXES if (file := self.path / f"{prefix}{identity}{suffix}").is_file()]
            if len(found) > 1:
                raise InputError(
                    expected=f"one file of features for video '{identity}' in '{self.path}'",
                    got=" and ".join(file.name for file in found),
                    hint="Remove one of them.",
                )
            if found:
                return found[0]
        return None

    def read(self, identity: str, *, file: Path) -> Features:
        """float32 `[N, D]`.

        Raises:
            InputError: a file that holds no such table, or numbers that are not finite; it names the video.
        """
        try:
            table = np.load(file, allow_pickle=False) if file.suffix == ".npy" else _table(file.read_text())
        except (OSError, ValueError, EOFError) as error:
            raise _bad_features(identity, file, str(error)) from None
        if table.ndim != 2 or not table.size or not np.issubdtype(table.dtype, np.number):
            raise _bad_features(identity, file, f"an array of shape {list(table.shape)} of {table.dtype}")
        features: Features = np.ascontiguousarray(table, np.float32)
        if not np.isfinite(features).all():
            raise _bad_features(identity, file, "numbers that are not finite")
        return features

    def frames(self) -> dict[str, int]:
        """Length in frames by identity, where `videos.csv` tells it."""
        return {line["video"]: int(line["frames"]) for line in self._lines() if line["status"] == "ok"}

    def broken(self) -> dict[str, str]:
        """Reasons by identity of the videos that are known to have no features."""
        return {line["video"]: line["status"] for line in self._lines() if line["status"] != "ok"}

    def description(self) -> dict[str, Any]:
        """What our extraction says of the features; empty for a folder from elsewhere."""
        file = self.path / DESCRIPTION
        return json.loads(file.read_text()) if file.is_file() else {}

    def _lines(self) -> list[dict[str, str]]:
        file = self.path / VIDEOS
        if not file.is_file():
            return []
        with file.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
            return list(csv.DictReader(lines))


@dataclass(frozen=True, kw_only=True)
class SnippetResampling:
    """Features of every video at `positions` positions, kept as `<identity>.npy`, float32 `[D, T]`.

    positions, points_per_position: see `resample`. allow_missing: videos without a file of features are left out and counted; false
    makes the first of them an error.
    """

    positions: int
    points_per_position: int
    allow_missing: bool

    def write(self, source: SnippetFolder, *, identities: Sequence[str], output: Path) -> dict[str, Path]:
        """Files by identity. A file that was written from the same features is kept; broken videos are passed over.

        Where every video has exactly T snippets, they are positions already and stay as they are.

        Raises:
            InputError: features that are missing, unreadable, or not of the same dimension everywhere.
        """
        files = self._files(source, identities)
        whole = all(len(source.read(identity, file=file)) == self.positions for identity, file in _some(files).items())
        whole = whole and all(len(source.read(identity, file=file)) == self.positions for identity, file in files.items())
        if whole:
            log.info("features of %d positions already: taken as they are", self.positions)
        output.mkdir(parents=True, exist_ok=True)
        written, dimension = {}, 0
        for identity, file in files.items():
            target = output / f"{identity}.npy"
            stamp = output / f"{identity}.key"
            key = self._key(file, whole=whole)
            if not (target.is_file() and stamp.is_file() and stamp.read_text() == key):
                features_ND = source.read(identity, file=file)
                made = (
                    features_ND if whole else resample(features_ND, positions=self.positions, points_per_position=self.points_per_position)
                )
                write_array(target, np.ascontiguousarray(made.T))
                write_whole(stamp, key)
            found = np.load(target, mmap_mode="r").shape[0]
            dimension = dimension or found
            if found != dimension:
                raise _bad_features(identity, file, f"{found} numbers a snippet where '{next(iter(files))}' has {dimension}")
            written[identity] = target
        return written

    def _files(self, source: SnippetFolder, identities: Sequence[str]) -> dict[str, Path]:
        found = {identity: source.file(identity) for identity in identities}
        broken = source.broken()
        missing = [identity for identity, file in found.items() if file is None and identity not in broken]
        if missing and not self.allow_missing:
            raise InputError(
                expected=f"features of video '{missing[0]}', '{missing[0]}.npy' or '.csv' in '{source.path}'",
                got=f"no such file, and {len(missing) - 1} more are missing",
                hint="Write them, take the videos out of the annotations, or set resampling.allow_missing=true.",
            )
        if missing:
            log.warning("%d videos have no features and are left out, the first is '%s'", len(missing), missing[0])
        present = {identity: file for identity, file in found.items() if file is not None}
        if not present:
            raise InputError(expected=f"features in '{source.path}'", got="none of the annotated videos'", hint="Set snippets=DIR.")
        return present

    def _key(self, file: Path, *, whole: bool) -> str:
        status = file.stat()
        told = (str(file), status.st_size, status.st_mtime_ns, self.positions, self.points_per_position, whole)
        return hashlib.sha256(repr(told).encode(errors="surrogateescape")).hexdigest()


def write_array(file: Path, array: np.ndarray) -> None:
    """Beside `file`, then moved there: nobody finds half of it."""
    with whole_file(file) as draft, draft.open("wb") as stream:
        np.save(stream, array)


def _some(files: Mapping[str, Path]) -> dict[str, Path]:
    """The first few: enough to see that features are not at positions already, without reading them all."""
    return dict(list(files.items())[:8])


def _table(text: str) -> np.ndarray:
    """Numbers separated by commas, without the header where there is one."""
    return np.loadtxt(io.StringIO(text), dtype=np.float32, delimiter=",", ndmin=2, skiprows=int(_is_header(text.partition("\n")[0])))


def _is_header(line: str) -> bool:
    """Words, or the numbers of the columns."""
    parts = [part.strip() for part in line.split(",")]
    try:
        return not [float(part) for part in parts] or parts == [str(column) for column in range(len(parts))]
    except ValueError:
        return True


def _bad_features(identity: str, file: Path, got: str) -> InputError:
    return InputError(
        expected=f"features of video '{identity}' in '{file}', one line of numbers a snippet", got=got, hint="Write the file anew."
    )
