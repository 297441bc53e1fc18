"""Tables of results in the terminal, as Markdown and as CSV. Does not import torch, because every command imports this module."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from rich.table import Table

from vclr_pl.files import ANY_BYTE, errors_name, write_csv
from vclr_pl.report.outcomes import of_queries
from vclr_pl.report.record import RANDOM_INITIALIZATION, ResultRecord
from vclr_pl.report.retrieval_page import Figure

if TYPE_CHECKING:
    from vclr_pl.evaluation.scoring import Scores
    from vclr_pl.types import FeatureTable

Row = TypeVar("Row")  # a dataclass; its fields are the columns


def write_rows(path: Path, rows: Iterable[Row], *, row_type: type[Row]) -> None:
    """Write a table of rows of one dataclass."""
    header = [field.name for field in fields(row_type)]  # type: ignore[arg-type]
    write_csv(path, header, (astuple(row) for row in rows))  # type: ignore[call-overload]


class RowTable(Generic[Row]):
    """Rows of one dataclass. Use it as a context manager.

    Args:
        path: path of the file. An existing file is replaced; folders are created.
        row_type: the dataclass.
    """

    def __init__(self, *, path: Path, row_type: type[Row]) -> None:
        self.path, self.rows = path, list[Row]()
        self._header = [field.name for field in fields(row_type)]  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        with errors_name(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
        self._append(self._header)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._append(astuple(row))  # type: ignore[call-overload]

    def sort(self, *, order: Sequence[str]) -> None:
        """Sort the rows by their first column into `order`, atomically."""
        place_of = {key: place for place, key in enumerate(order)}
        self.rows.sort(key=lambda row: place_of[astuple(row)[0]])  # type: ignore[call-overload]
        write_csv(self.path, self._header, (astuple(row) for row in self.rows))  # type: ignore[call-overload]

    def _append(self, row: Sequence[object]) -> None:
        """Write a complete row, or, on a full disk, no part of it."""
        text, end = io.StringIO(newline=""), self._file.tell()
        csv.writer(text).writerow(row)
        content = text.getvalue().encode(**ANY_BYTE)
        with errors_name(self.path):
            try:
                while content:
                    content = content[self._file.write(content) :]
            except OSError:
                self._file.truncate(end)
                raise


WORDS = {
    "attentive": "attentive probe",
    "copy": "made copies",
    "knn": "kNN",
    "linear": "linear probe",
    "logistic": "logistic probe",
    "retrieval": "retrieval",
}
RANK_ME = "rank_me"  # no percentage
LOCALIZATION = ("ar", "auc", "map")
LOCALIZATION_TITLES = {"auc": "AUC", "map": "mAP, mean of 0.5:0.05:0.95"}


def metric_title(name: str) -> str:
    """`retrieval_r1` to `retrieval R@1`, `linear_top1` to `linear probe top-1`, `ar_100` to `AR@100`."""
    if name == RANK_ME:
        return "RankMe (dimensions)"
    measure, _, figure = name.partition("_")
    if measure in LOCALIZATION:
        return localization_title(name)
    if figure[:1] == "r" and figure[1:].isdigit():
        figure = f"R@{figure[1:]}"
    elif figure.startswith("top") and figure[3:].isdigit():
        figure = f"top-{figure[3:]}"
    elif figure == "map":
        figure = "mAP"
    elif figure == "mean_class":
        figure = "mean of classes"
    return f"{WORDS.get(measure, measure)} {figure}".replace("_", " ")


def localization_title(name: str) -> str:
    """`ar_100` to `AR@100`, `map_50` to `mAP at 0.50`."""
    measure, _, figure = name.partition("_")
    if name in LOCALIZATION_TITLES:
        return LOCALIZATION_TITLES[name]
    return f"AR@{figure}" if measure == "ar" else f"mAP at 0.{figure}"


def result_table(record: ResultRecord) -> Table:
    """Table of one run: each metric at its start, trained, and the gain, in percent and points."""
    table = Table(title=f"{record.name}, seed {record.provenance.get('seed', '?')}", title_justify="left", caption=_skipped(record))
    table.add_column("percent")
    for column in (*_chance_column(record), _short_name(record), "trained", "gain"):
        table.add_column(column, justify="right")
    for name, value in record.metrics.items():
        before = record.baseline.get(name)
        table.add_row(metric_title(name), *_chance_of(record, name), _figure(before), _figure(value), _gain(value, before))
    return table


def _skipped(record: ResultRecord) -> str | None:
    return f"no labels: {', '.join(record.skipped)} skipped" if record.skipped else None


def _short_name(record: ResultRecord) -> str:
    return "random init" if record.baseline_name == RANDOM_INITIALIZATION else record.baseline_name


def _chance_column(record: ResultRecord) -> list[str]:
    return ["chance"] if record.chance else []


def _chance_of(record: ResultRecord, name: str) -> list[str]:
    return [_figure(record.chance.get(name))] if record.chance else []


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _gain(after: float, before: float | None) -> str:
    return "-" if before is None else f"{after - before:+z.1f}"


HEADLINES = ("_r1", "_r5", "_map", "_top1")


def evaluation_record(
    *,
    name: str,
    found: Scores,
    provenance: dict[str, Any],
    timings_seconds: dict[str, float],
    encoder: dict[str, Any],
    choices: dict[str, str],
    queries: FeatureTable | None,
) -> ResultRecord:
    """The content of results.json for an evaluation.

    Args:
        encoder: its origin, path, and the level of the intervals.
        choices: data set and task; of procedural videos their seed and the digest of their settings.
        queries: the rows that `found` scores, in their order; None stores no outcomes.
    """
    return ResultRecord(
        name=name,
        metrics=found.metrics,
        baseline={},
        provenance=provenance,
        timings_seconds=timings_seconds,
        intervals={metric: list(ends) for metric, ends in found.intervals.items()},
        by_class=found.by_class,
        chance=found.chance,
        encoder=encoder,
        skipped=found.skipped,
        choices=choices,
        outcomes={} if queries is None else of_queries(found.by_query.values(), queries=queries, drawn_by=choices.get("videos", "")),
    )


def evaluation_table(record: ResultRecord) -> Table:
    """Table of metrics in percent, with intervals over resampled queries."""
    level = record.encoder.get("level_percent", 95)
    table = Table(
        title=f"{record.name}: {str(record.encoder.get('origin', '')).partition(': ')[0]}".rstrip(": "),
        title_justify="left",
        caption=_skipped(record),
    )
    table.add_column("percent")
    for column in ("", *_chance_column(record)):
        table.add_column(column, justify="right")
    table.add_column(f"{level:g}% interval", justify="right")
    for name, value in record.metrics.items():
        table.add_row(metric_title(name), f"{value:.1f}", *_chance_of(record, name), interval(record.intervals.get(name)))
    return table


def interval(ends: list[float] | tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:z.1f} to {ends[1]:z.1f}"


def metric_figures(metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> list[Figure]:
    """The same for the page."""
    return [
        Figure(
            metric_title(name),
            f"{value:.1f}{'' if name == RANK_ME else '%'}",
            interval(intervals.get(name)),
            headline=name.endswith(HEADLINES),
        )
        for name, value in metrics.items()
    ]
