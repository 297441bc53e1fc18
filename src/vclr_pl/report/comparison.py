"""Compare runs in a table: metrics, intervals, and the source of each encoder."""

from __future__ import annotations

import json
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vclr_pl.report.record import CONFIG_FILE, RESULTS, ResultRecord, read_record
from vclr_pl.report.tables import metric_title
from vclr_pl.types import InputError

# options that are shown elsewhere, or not at all
ELSEWHERE = ("hydra.", "paths.", "name", "logger", "resume", "loader.workers", "encoder")
EXPERIMENT, SEED = "experiment", "seed"
ENDS = ("encoder", "verdict")  # columns after the options


@dataclass(frozen=True)
class ComparedRun:
    """A row: its name in the table, its record, and the options of its command line by key; experiment and seed are always among them.

    `folders` are the run folders that it stands for, several after `over_seeds`. A run that `failed` has no results.
    """

    name: str
    record: ResultRecord
    options: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    failed: bool = False


@dataclass(frozen=True)
class Cell:
    """A metric as text, its interval, and true if it is the best of its column."""

    value: str
    interval: str = ""
    best: bool = False

    @property
    def text(self) -> str:
        return f"{self.value} ({self.interval})" if self.interval else self.value


@dataclass(frozen=True)
class Row:
    """A run, or a random initialization: its name, its texts by column, and one cell for each metric."""

    name: str
    texts: list[str]
    cells: list[Cell]


@dataclass(frozen=True)
class Comparison:
    """The columns of texts, the titles of the metrics, and the rows."""

    columns: list[str]
    metrics: list[str]
    rows: list[Row]


def read_runs(paths: Sequence[str]) -> list[ComparedRun]:
    """The records of run folders, of results.json files, and of all runs below folders, in the order given.

    Raises:
        InputError: a path has no results, or they cannot be read.
    """
    files: list[Path] = []
    for text in paths:
        path = Path(text).expanduser()
        results = (
            [path] if path.is_file() else [path / RESULTS] if (path / RESULTS).is_file() else sorted(path.rglob(RESULTS), key=_numbered)
        )
        if not results:
            raise InputError(expected=f"a run folder with {RESULTS}", got=text, hint="Use run folders of evaluate or train.")
        files += results
    names = _names(files)
    return [_run(name, file) for name, file in zip(names, files, strict=True)]


def _numbered(file: Path) -> list[tuple[bool, int, str]]:
    """The parts of a path, numbers by their value: job 9 of a sweep precedes job 10."""
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in file.parts]


def _run(name: str, file: Path) -> ComparedRun:
    record = _read(file)
    return ComparedRun(name=name, record=record, options=_all_options(record, _words(file.with_name(CONFIG_FILE))), folders=(file.parent,))


def run_of_job(*, number: int, overrides: Sequence[str], folder: Path, record: ResultRecord | None) -> ComparedRun:
    """A job of a sweep, named by its number; without a record it failed."""
    if record is None:
        name = next((word.partition("=")[2] for word in overrides if word.startswith(f"{EXPERIMENT}=")), "")
        seed = next((word.partition("=")[2] for word in overrides if word.startswith(f"{SEED}=")), "")
        record = ResultRecord(name=name, metrics={}, baseline={}, provenance={SEED: seed}, timings_seconds={})
        return ComparedRun(name=str(number), record=record, options=_all_options(record, overrides), folders=(folder,), failed=True)
    return ComparedRun(name=str(number), record=record, options=_all_options(record, overrides), folders=(folder,))


def _all_options(record: ResultRecord, words: Sequence[str]) -> dict[str, str]:
    """The options of a command line, with the experiment and the seed that the record has."""
    pairs = [word.lstrip("+~").partition("=") for word in words]
    given = {key: value for key, _, value in pairs if not key.startswith(ELSEWHERE)}
    return {EXPERIMENT: record.name, **given, SEED: str(record.provenance.get(SEED, ""))}


def _words(file: Path) -> list[str]:
    """The words of the command line, which is the first line of config.yaml; empty without the file."""
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", errors="replace") as lines:
        return shlex.split(lines.readline().removeprefix("#"))


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
        same = sorted((key, value) for key, value in run.options.items() if key != SEED)
        groups.setdefault((run.record.name, str(run.record.encoder.get("path", "")), *same), []).append(run)
    return [_mean_of(group) for group in groups.values()]


def _mean_of(group: Sequence[ComparedRun]) -> ComparedRun:
    runs = [run for run in group if not run.failed]
    if len(runs) < 2:
        return (runs or list(group))[0]
    records = [run.record for run in runs]
    metrics = {name: [record.metrics[name] for record in records if name in record.metrics] for name in records[0].metrics}
    baseline = {name: [record.baseline[name] for record in records if name in record.baseline] for name in records[0].baseline}
    record = replace(
        records[0],
        metrics={name: statistics.mean(values) for name, values in metrics.items()},
        baseline={name: statistics.mean(values) for name, values in baseline.items()},
        intervals={name: _interval_of_mean(values) for name, values in metrics.items() if len(values) > 1},
    )
    options = {**runs[0].options, SEED: ",".join(run.options.get(SEED, "") for run in runs)}
    folders = tuple(folder for run in runs for folder in run.folders)
    return ComparedRun(name=f"{runs[0].name} and {len(runs) - 1} more", record=record, options=options, folders=folders)


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
    found = comparison(runs)
    titles = ["run", *found.columns]
    lines = ["| " + " | ".join([*map(_escaped, titles), *found.metrics]) + " |", "|" + "---|" * len(titles) + "---:|" * len(found.metrics)]
    for row in found.rows:
        cells = [replace(cell, value=f"**{cell.value}**") if cell.best else cell for cell in row.cells]
        lines.append("| " + " | ".join([*map(_escaped, (row.name, *row.texts)), *(cell.text for cell in cells)]) + " |")
    return "\n".join(lines) + "\n"


def comparison(runs: Sequence[ComparedRun]) -> Comparison:
    """One row for each run, and one for each random initialization, above the first run that started from it.

    The columns of texts are the experiment, the options in which the runs differ, the seed, and, where a run has it, the source of the
    encoder and the verdict on the training.
    """
    options = differing_options(runs)
    rows = [(row, run) for run in runs for row in _entries(run, runs, options)]
    distinct = {(name, *texts, *figures.items()): (name, texts, figures, intervals) for (name, texts, figures, intervals), _ in rows}
    entries = list(distinct.values())
    metrics = list(dict.fromkeys(name for _, _, figures, _ in entries for name in figures))
    best = {name: max(round(figures[name], 1) for _, _, figures, _ in entries if name in figures) for name in metrics}
    columns = [*options, *ENDS]
    kept = [place for place, name in enumerate(columns) if name in (EXPERIMENT, SEED) or any(texts[place] for _, texts, _, _ in entries)]
    return Comparison(
        columns=[columns[place] for place in kept],
        metrics=[metric_title(name) for name in metrics],
        rows=[
            Row(
                name,
                [texts[place] for place in kept],
                [_cell(figures.get(metric), intervals.get(metric), best[metric]) for metric in metrics],
            )
            for name, texts, figures, intervals in entries
        ],
    )


Entry = tuple[str, list[str], Mapping[str, float], Mapping[str, list[float]]]


def _entries(run: ComparedRun, runs: Sequence[ComparedRun], options: Sequence[str]) -> list[Entry]:
    """The row of a run, after that of its random initialization if it was evaluated. Runs may share one: of one seed and network."""
    values = [run.options.get(key, "") for key in options]
    encoder = str(run.record.encoder.get("origin", "")).partition(": ")[0]
    texts = [*values, encoder, str(run.record.training.get("verdict", ""))]
    entries: list[Entry] = [(f"{run.name}, failed" if run.failed else run.name, texts, run.record.metrics, run.record.intervals)]
    if not run.record.baseline:
        return entries
    sharing = [one for one in runs if (one.record.baseline, one.record.baseline_name) == (run.record.baseline, run.record.baseline_name)]
    shared = [
        value if all(one.options.get(key, "") == value for one in sharing) else "" for key, value in zip(options, values, strict=True)
    ]
    name = run.record.baseline_name if len(sharing) > 1 else f"{run.name}, {run.record.baseline_name}"
    return [(name, [*shared, "", ""], run.record.baseline, {}), *entries]


def differing_options(runs: Sequence[ComparedRun]) -> list[str]:
    """The experiment, the keys of the options in which the runs differ, in the order of the command lines, and the seed."""
    keys = list(dict.fromkeys(key for run in runs for key in run.options))
    differing = [key for key in keys if key not in (EXPERIMENT, SEED) and len({run.options.get(key, "") for run in runs}) > 1]
    return [EXPERIMENT, *differing, SEED]


def differences(runs: Sequence[ComparedRun]) -> list[str]:
    """What tells each run from the others, as `optimizer.lr=0.1, seed=1`; its name where the options do not."""
    keys = [key for key in differing_options(runs) if len({run.options.get(key, "") for run in runs}) > 1]
    names = [", ".join(f"{key}={run.options[key]}" for key in keys if run.options.get(key)) for run in runs]
    return [name if name and names.count(name) == 1 else f"{run.name} {name}".strip() for name, run in zip(names, runs, strict=True)]


def _cell(value: float | None, interval: list[float] | None, best: float) -> Cell:
    if value is None:
        return Cell("-")
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
