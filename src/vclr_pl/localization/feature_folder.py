"""Features of untrimmed videos, one file per video: extracted by this package, or the user's own.

Legend: N snippets of a video, D features, T positions.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vclr_pl.files import file_stamp, whole_file, write_whole
from vclr_pl.localization.snippets import Features, resample
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import InputError

SUFFIXES = (".npy", ".csv")
VIDEOS = "videos.csv"
DESCRIPTION = "features.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SnippetFolder:
    """`<identity>.npy` or `.csv` (or `v_<identity>`), `[N, D]`: one line per snippet, in temporal order.

    A CSV file may start with a line of column names, or with pandas's default names 0, 1, 2, ...
    `videos.csv`, which the extraction writes, contains the numbers of frames and the broken videos.
    """

    path: Path

    def file(self, identity: str) -> Path | None:
        """The video's file, or None. Raises InputError if there are files with both suffixes."""
        for prefix in ("", "v_"):
            files = [file for suffix in SUFFIXES if (file := self.path / f"{prefix}{identity}{suffix}").is_file()]
            if len(files) > 1:
                raise InputError(
                    expected=f"one file of features for video '{identity}' in '{self.path}'",
                    got=" and ".join(file.name for file in files),
                    hint="Remove one of them.",
                )
            if files:
                return files[0]
        return None

    def read(self, identity: str, *, file: Path) -> Features:
        """float32 `[N, D]`.

        Raises:
            InputError: the file contains another table, or numbers that are not finite. The error names the video.
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
        """Number of frames by identity, from `videos.csv`."""
        return {line["video"]: int(line["frames"]) for line in self._lines() if line["status"] == "ok"}

    def broken(self) -> dict[str, str]:
        """Reasons by identity of the videos without features, from `videos.csv`."""
        return {line["video"]: line["status"] for line in self._lines() if line["status"] != "ok"}

    def description(self) -> dict[str, Any]:
        """Everything that extracted features depend on; empty for the user's own folder."""
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
    """Features of every video at `positions` positions, stored as `<identity>.npy`, float32 `[D, T]`.

    Args:
        positions, points_per_position: see `resample`.
        allow_missing: True leaves out videos without a feature file. False raises an error for them.
    """

    positions: int
    points_per_position: int
    allow_missing: bool

    def write(self, source: SnippetFolder, *, identities: Sequence[str], output: Path) -> dict[str, Path]:
        """Write the resampled features; return files by identity. Files of the same features are kept. Broken videos are left out.

        If every video has exactly T snippets, the features are not changed.

        Raises:
            InputError: features are missing, unreadable, or of different dimensions.
        """
        files = self._files(source, identities)
        whole = all(len(source.read(identity, file=file)) == self.positions for identity, file in files.items())
        if whole:
            log.info("features already have %d positions and are used unchanged", self.positions)
        output.mkdir(parents=True, exist_ok=True)
        written, dimension = {}, 0
        for identity, file in files.items():
            stop_if_requested()
            target = output / f"{identity}.npy"
            stamp = output / f"{identity}.key"
            key = self._key(file, whole=whole)
            if not (target.is_file() and stamp.is_file() and stamp.read_text() == key):
                features_ND = source.read(identity, file=file)
                resampled = (
                    features_ND if whole else resample(features_ND, positions=self.positions, points_per_position=self.points_per_position)
                )
                write_array(target, np.ascontiguousarray(resampled.T))
                write_whole(stamp, key)
            own_dimension = np.load(target, mmap_mode="r").shape[0]
            dimension = dimension or own_dimension
            if own_dimension != dimension:
                raise _bad_features(identity, file, f"{own_dimension} numbers per snippet, but '{next(iter(files))}' has {dimension}")
            written[identity] = target
        return written

    def _files(self, source: SnippetFolder, identities: Sequence[str]) -> dict[str, Path]:
        file_of = {identity: source.file(identity) for identity in identities}
        broken = source.broken()
        missing = [identity for identity, file in file_of.items() if file is None and identity not in broken]
        if missing and not self.allow_missing:
            raise InputError(
                expected=f"features of video '{missing[0]}', '{missing[0]}.npy' or '.csv' in '{source.path}'",
                got=f"no such file, and {len(missing) - 1} more are missing",
                hint="Extract them, remove the videos from the annotations, or set resampling.allow_missing=true.",
            )
        if missing:
            log.warning("%d videos have no features and are left out, the first is '%s'", len(missing), missing[0])
        present = {identity: file for identity, file in file_of.items() if file is not None}
        if not present:
            raise InputError(expected=f"features in '{source.path}'", got="none of the annotated videos'", hint="Set snippets=DIR.")
        return present

    def _key(self, file: Path, *, whole: bool) -> str:
        made_from = (str(file), *(file_stamp(file) or ()), self.positions, self.points_per_position, whole)
        return hashlib.sha256(repr(made_from).encode(errors="surrogateescape")).hexdigest()


def write_array(file: Path, array: np.ndarray) -> None:
    """Write `file` atomically."""
    with whole_file(file) as draft, draft.open("wb") as stream:
        np.save(stream, array)


def _table(text: str) -> np.ndarray:
    """Numbers separated by commas, without a header."""
    return np.loadtxt(io.StringIO(text), dtype=np.float32, delimiter=",", ndmin=2, skiprows=int(_is_header(text.partition("\n")[0])))


def _is_header(line: str) -> bool:
    """True for words, or the numbers of the columns."""
    parts = [part.strip() for part in line.split(",")]
    try:
        return not [float(part) for part in parts] or parts == [str(column) for column in range(len(parts))]
    except ValueError:
        return True


def _bad_features(identity: str, file: Path, got: str) -> InputError:
    return InputError(
        expected=f"features of video '{identity}' in '{file}', one line of numbers per snippet", got=got, hint="Create the file again."
    )
