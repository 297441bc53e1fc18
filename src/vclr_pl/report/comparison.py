"""Compare runs in a table: metrics, intervals, and the source of each encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from vclr_pl.report.record import RESULTS, ResultRecord, read_record
from vclr_pl.report.tables import metric_title
from vclr_pl.types import InputError


@dataclass(frozen=True)
class ComparedRun:
    """A row: its name in the table and its record."""

    name: str
    record: ResultRecord


@dataclass(frozen=True)
class Cell:
    """A metric as text, its interval, and true if it is the best of its column."""

    value: str
    interval: str = ""
    best: bool = False


def read_runs(paths: Sequence[str]) -> list[ComparedRun]:
    """The records of run folders, of results.json files, and of all runs below folders, in the order given.

    Raises:
        InputError: a path has no results, or they cannot be read.
    """
    files: list[Path] = []
    for text in paths:
        path = Path(text).expanduser()
        results = [path] if path.is_file() else [path / RESULTS] if (path / RESULTS).is_file() else sorted(path.rglob(RESULTS))
        if not results:
            raise InputError(expected=f"a run folder with {RESULTS}", got=text, hint="Use run folders of evaluate or train.")
        files += results
    names = _names(files)
    return [ComparedRun(name=name, record=_read(file)) for name, file in zip(names, files, strict=True)]


def with_metrics(runs: Sequence[ComparedRun], metrics: Sequence[str]) -> list[ComparedRun]:
    """The runs with only these metrics.

    Raises:
        InputError: a metric that no run has.
    """
    known = list(dict.fromkeys(name for run in runs for name in run.record.metrics))
    unknown = [name for name in metrics if name not in known]
    if unknown:
        raise InputError(expected=f"metrics of {', '.join(known)}", got=unknown[0], hint="Choose from these metrics.")
    return [replace(run, record=_with_metrics(run.record, metrics)) for run in runs]


def _with_metrics(record: ResultRecord, metrics: Sequence[str]) -> ResultRecord:
    def chosen(figures: dict[str, Any]) -> dict[str, Any]:
        return {name: figures[name] for name in metrics if name in figures}

    return replace(record, metrics=chosen(record.metrics), baseline=chosen(record.baseline), intervals=chosen(record.intervals))


def comparison_markdown(runs: Sequence[ComparedRun]) -> str:
    """A table with one row per run; `40.9 (27.3 to 54.5)` is a metric and its interval, the best of a column is bold."""
    header, rows = comparison(runs)
    lines = ["| run | encoder | " + " | ".join(header) + " |", "|---|---|" + "---:|" * len(header)]
    for name, encoder, cells in rows:
        shown = [f"**{cell.value}**" if cell.best else cell.value for cell in cells]
        texts = [f"{value} ({cell.interval})" if cell.interval else value for value, cell in zip(shown, cells, strict=True)]
        lines.append("| " + " | ".join([_escaped(name), _escaped(encoder), *texts]) + " |")
    return "\n".join(lines) + "\n"


def comparison_html(runs: Sequence[ComparedRun]) -> str:
    """The table as a self-contained HTML page; names from the disk are escaped."""
    header, rows = comparison(runs)
    folder = resources.files("vclr_pl.report").joinpath("page")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(folder.joinpath("comparison.html.jinja").read_text(encoding="utf-8"))
    return template.render(header=header, rows=rows)


def comparison(runs: Sequence[ComparedRun]) -> tuple[list[str], list[tuple[str, str, list[Cell]]]]:
    """Titles of the metrics, and for each run its name, its encoder, and one cell per metric. A training run's baseline has its own row."""
    entries: list[tuple[str, str, dict[str, float], dict[str, list[float]]]] = []
    for run in runs:
        if run.record.baseline:
            entries.append((f"{run.name}, {run.record.baseline_name}", "", run.record.baseline, {}))
        encoder = str(run.record.encoder.get("origin", "")).partition(": ")[0]
        entries.append((run.name, encoder, run.record.metrics, run.record.intervals))
    metrics = list(dict.fromkeys(name for _, _, figures, _ in entries for name in figures))
    best = {name: max(round(figures[name], 1) for _, _, figures, _ in entries if name in figures) for name in metrics}
    rows = []
    for name, encoder, figures, intervals in entries:
        cells = [Cell("-") if metric not in figures else _cell(figures[metric], intervals.get(metric), best[metric]) for metric in metrics]
        rows.append((name, encoder, cells))
    return [metric_title(name) for name in metrics], rows


def _cell(value: float, interval: list[float] | None, best: float) -> Cell:
    text = "" if interval is None else f"{interval[0]:.1f} to {interval[1]:.1f}"
    return Cell(value=f"{value:.1f}", interval=text, best=round(value, 1) == best)


def _read(file: Path) -> ResultRecord:
    try:
        return read_record(file)
    except (OSError, TypeError, json.JSONDecodeError) as error:
        raise InputError(expected=f"results of a run in {file}", got=str(error), hint="Use files written by this program.") from error


def _names(files: Sequence[Path]) -> list[str]:
    """The run folders' names, with as many parent folders as needed to make them distinct."""
    for depth in range(1, 9):
        names = ["/".join(file.absolute().parts[-1 - depth : -1]) for file in files]
        if len(set(names)) == len(names):
            break
    return names


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
