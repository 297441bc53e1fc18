"""Results of the commands in Python: metrics, written files, and the trained network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # networks are loaded on access
    from vclr_pl.features.encoder import FrozenEncoder
    from vclr_pl.features.recognizer import FrozenRecognizer
    from vclr_pl.report.reproduced_table import ReproducedCell

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A pretrained encoder.

    `metrics` are in percent by name, `baseline` those of the start: the random initialization, or the loaded weights; both are
    empty if the data has no labels. `page` is None without page=default. `verdict` is one of `learning`, `too short to say`,
    `not learning`, `collapsing`, `worse than its start` and `as good as its start`.
    """

    folder: Path
    results: Path
    backbone: Path
    checkpoint: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    verdict: str | None = None
    page: Path | None = None

    @cached_property
    def encoder(self) -> FrozenEncoder:
        """The trained encoder, as `load_encoder(folder)` loads it."""
        from vclr_pl.features.encoder import load_encoder  # it imports torch

        return load_encoder(str(self.folder))


@dataclass(frozen=True, kw_only=True)
class FinetuneResult:
    """A fine-tuned recognizer. `metrics` are in percent. Without a test list there are no metrics and no CSV files."""

    folder: Path
    results: Path
    checkpoint: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    predictions: Path | None = None
    confusion: Path | None = None

    @cached_property
    def recognizer(self) -> FrozenRecognizer:
        """The trained recognizer, as `load_recognizer(folder)` loads it."""
        from vclr_pl.features.recognizer import load_recognizer  # it imports torch

        return load_recognizer(str(self.folder))


@dataclass(frozen=True, kw_only=True)
class EvaluateResult:
    """Metrics of an encoder in percent, with their intervals over resampled queries; `features` are the folders of both splits."""

    folder: Path
    results: Path
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    features: Mapping[str, Path]
    page: Path | None = None


@dataclass(frozen=True, kw_only=True)
class CompareResult:
    """Several encoders: results.json, the CSV table and the page.

    `metrics` and `intervals` are in percent by encoder; `differences` from the first encoder are `(points, low, high)`.
    """

    folder: Path
    results: Path
    table: Path
    page: Path
    metrics: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Mapping[str, tuple[float, float, float]]]


@dataclass(frozen=True, kw_only=True)
class EmbedResult:
    """Folders of features, by split (`train`, `test`): features.npy, videos.csv and features.json."""

    folder: Path
    features: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class RetrieveResult:
    """The CSV file of the nearest videos, or of the near duplicates, and its page; `left_out` lists videos that are in no pair."""

    folder: Path
    table: Path
    page: Path | None = None
    left_out: Path | None = None


@dataclass(frozen=True, kw_only=True)
class LocalizeResult:
    """The folder of the six stages. Metrics are in percent, `baseline` those of evenly spaced proposals; empty before `evaluate`."""

    folder: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    results: Path | None = None
    page: Path | None = None


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The table of all files, their number, and the paths of the unreadable ones."""

    table: Path
    files: int
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PrepareResult:
    """The copied folder, the table of all files, and the videos that were copied unchanged."""

    folder: Path
    table: Path
    files: int
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VisualizeResult:
    """The folder of pictures, videos and activation_maps.csv, and the picture of each readable video."""

    folder: Path
    pictures: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ConvertResult:
    """The written file, and the names of the tensors that its format cannot store."""

    output: Path
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReproduceResult:
    """The cells of the table, ours beside the published; the last line of each failed run by name; the written files."""

    folder: Path
    cells: tuple[ReproducedCell, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
