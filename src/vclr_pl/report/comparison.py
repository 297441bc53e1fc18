"""Compare runs in a table: metrics, intervals, and the source of each encoder."""

from __future__ import annotations

import json
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from vclr_pl.report.record import CONFIG_FILE, RESULTS, ResultRecord, read_record
from vclr_pl.report.tables import metric_title
from vclr_pl.types import InputError

ELSEWHERE = ("hydra.", "paths.", "name", "logger", "resume", "loader.workers", "encoder")  # options that are shown elsewhere, or not at all


@dataclass(frozen=True)
class ComparedRun:
    """A row: its name in the table, its record, and the options of its command line by key; `seed` is always among them."""

    name: str
    record: ResultRecord
    options: Mapping[str, str] = field(default_factory=dict)


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
    return [_run(name, file) for name, file in zip(names, files, strict=True)]


def _run(name: str, file: Path) -> ComparedRun:
    record = _read(file)
    return ComparedRun(name=name, record=record, options={**_options(file.with_name(CONFIG_FILE)), "seed": _seed(record)})


def _seed(record: ResultRecord) -> str:
    return str(record.provenance.get("seed", ""))


def _options(file: Path) -> dict[str, str]:
    """The options of the command line, which is the first line of config.yaml; empty without the file."""
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", errors="replace") as lines:
        words = shlex.split(lines.readline().removeprefix("#"))
    pairs = (word.lstrip("+~").partition("=") for word in words)
    return {key: value for key, _, value in pairs if not key.startswith(ELSEWHERE)}


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


def over_seeds(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """One run for all runs that differ in their seed alone: the mean of each metric, and its 95% interval over the seeds (Student's t)."""
    groups: dict[tuple[Any, ...], list[ComparedRun]] = {}
    for run in runs:
        same = sorted((key, value) for key, value in run.options.items() if key != "seed")
        groups.setdefault((run.record.name, str(run.record.encoder.get("path", "")), *same), []).append(run)
    return [_mean_of(group) for group in groups.values()]


def _mean_of(runs: Sequence[ComparedRun]) -> ComparedRun:
    if len(runs) == 1:
        return runs[0]
    records = [run.record for run in runs]
    metrics = {name: [record.metrics[name] for record in records if name in record.metrics] for name in records[0].metrics}
    baseline = {name: [record.baseline[name] for record in records if name in record.baseline] for name in records[0].baseline}
    record = replace(
        records[0],
        metrics={name: statistics.mean(values) for name, values in metrics.items()},
        baseline={name: statistics.mean(values) for name, values in baseline.items()},
        intervals={name: _interval_of_mean(values) for name, values in metrics.items() if len(values) > 1},
    )
    seeds = ",".join(run.options.get("seed", "") for run in runs)
    return ComparedRun(name=f"{runs[0].name} and {len(runs) - 1} more", record=record, options={**runs[0].options, "seed": seeds})


def _interval_of_mean(values: Sequence[float]) -> list[float]:
    from scipy import stats  # half a second, for this option only

    mean, error = statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return [mean - reach, mean + reach]


def _with_metrics(record: ResultRecord, metrics: Sequence[str]) -> ResultRecord:
    def chosen(figures: dict[str, Any]) -> dict[str, Any]:
        return {name: figures[name] for name in metrics if name in figures}

    return replace(record, metrics=chosen(record.metrics), baseline=chosen(record.baseline), intervals=chosen(record.intervals))


def comparison_markdown(runs: Sequence[ComparedRun]) -> str:
    """A table with one row per run; `40.9 (27.3 to 54.5)` is a metric and its interval, the best of a column is bold."""
    options, header, rows = comparison(runs)
    titles = ["run", *options, "encoder"]
    lines = ["| " + " | ".join([*map(_escaped, titles), *header]) + " |", "|" + "---|" * len(titles) + "---:|" * len(header)]
    for name, values, encoder, cells in rows:
        shown = [f"**{cell.value}**" if cell.best else cell.value for cell in cells]
        texts = [f"{value} ({cell.interval})" if cell.interval else value for value, cell in zip(shown, cells, strict=True)]
        lines.append("| " + " | ".join([*map(_escaped, (name, *values, encoder)), *texts]) + " |")
    return "\n".join(lines) + "\n"


def comparison_html(runs: Sequence[ComparedRun]) -> str:
    """The table as a self-contained HTML page; names from the disk are escaped."""
    options, header, rows = comparison(runs)
    folder = resources.files("vclr_pl.report").joinpath("page")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(folder.joinpath("comparison.html.jinja").read_text(encoding="utf-8"))
    return template.render(options=options, header=header, rows=rows)


def comparison(runs: Sequence[ComparedRun]) -> tuple[list[str], list[str], list[tuple[str, list[str], str, list[Cell]]]]:
    """The options in which runs differ, the titles of the metrics, and for each run its name, its options, its encoder, and one cell per
    metric. A training run's baseline has its own row.
    """
    options = differing_options(runs)
    entries: list[tuple[str, list[str], str, dict[str, float], dict[str, list[float]]]] = []
    for run in runs:
        values = [run.options.get(key, "") for key in options]
        if run.record.baseline:
            entries.append((f"{run.name}, {run.record.baseline_name}", values, "", run.record.baseline, {}))
        encoder = str(run.record.encoder.get("origin", "")).partition(": ")[0]
        entries.append((run.name, values, encoder, run.record.metrics, run.record.intervals))
    metrics = list(dict.fromkeys(name for *_, figures, _ in entries for name in figures))
    best = {name: max(round(figures[name], 1) for *_, figures, _ in entries if name in figures) for name in metrics}
    rows = []
    for name, values, encoder, figures, intervals in entries:
        cells = [Cell("-") if metric not in figures else _cell(figures[metric], intervals.get(metric), best[metric]) for metric in metrics]
        rows.append((name, values, encoder, cells))
    return options, [metric_title(name) for name in metrics], rows


def differing_options(runs: Sequence[ComparedRun]) -> list[str]:
    """Keys of the options in which the runs differ, in the order of the command lines, the seed last."""
    keys = list(dict.fromkeys(key for run in runs for key in run.options))
    differing = [key for key in keys if len({run.options.get(key, "") for run in runs}) > 1]
    return sorted(differing, key=lambda key: key == "seed")


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
