"""The figures of one encoder with their intervals, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from vclr_pl.evaluation.scoring import Scores
from vclr_pl.report.result_record import ResultRecord
from vclr_pl.report.result_table import metric_title
from vclr_pl.report.retrieval_page import Figure

HEADLINES = ("_r1", "_r5", "_map", "_top1")


def evaluation_record(
    *, name: str, found: Scores, provenance: dict[str, Any], timings_seconds: dict[str, float], encoder: dict[str, Any]
) -> ResultRecord:
    """What results.json keeps of an evaluation; `encoder` tells its origin, path, and the level of the intervals."""
    return ResultRecord(
        name=name,
        metrics=found.metrics,
        baseline={},
        provenance=provenance,
        timings_seconds=timings_seconds,
        intervals={metric: list(ends) for metric, ends in found.intervals.items()},
        by_class=found.by_class,
        encoder=encoder,
    )


def evaluation_table(record: ResultRecord) -> Table:
    """Metric, percent, and the interval over resampled queries."""
    level = record.encoder.get("level_percent", 95)
    table = Table(title=f"{record.name}: {str(record.encoder.get('origin', '')).partition(': ')[0]}".rstrip(": "), title_justify="left")
    table.add_column("percent")
    table.add_column("", justify="right")
    table.add_column(f"{level:g}% interval", justify="right")
    for name, value in record.metrics.items():
        table.add_row(metric_title(name), f"{value:.1f}", interval(record.intervals.get(name)))
    return table


def interval(ends: list[float] | tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.1f} to {ends[1]:.1f}"


def metric_figures(metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> list[Figure]:
    """The same for the page."""
    return [
        Figure(metric_title(name), f"{value:.1f}%", interval(intervals.get(name)), headline=name.endswith(HEADLINES))
        for name, value in metrics.items()
    ]
