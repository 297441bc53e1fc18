"""Runs to compare: their records and the options of their command lines, from run folders."""

from __future__ import annotations

import json
import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from vclr_pl.report.golden import GoldenCurves, read_golden
from vclr_pl.report.record import CONFIG_FILE, RESULTS, ResultRecord, read_records
from vclr_pl.types import InputError

# options that are shown elsewhere, or not at all
ELSEWHERE = ("hydra.", "paths.", "name", "logger", "resume", "loader.workers", "encoder")
EXPERIMENT, SEED = "experiment", "seed"
Content = TypeVar("Content")


@dataclass(frozen=True)
class ComparedRun:
    """A row: its name in the table, its record, and the options of its command line by key; experiment and seed are always among them.

    `folders` are the run folders that it stands for, several after `over_seeds`. A run that `failed` has no results. `golden` are the
    curves of a file of golden curves, which has no run folder.
    """

    name: str
    record: ResultRecord
    options: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    failed: bool = False
    golden: GoldenCurves | None = None


def read_runs(paths: Sequence[str]) -> list[ComparedRun]:
    """The records of run folders, of results.json files, of golden curves, and of all runs below folders, in the order given.

    Raises:
        InputError: a path has no results, or they cannot be read.
    """
    files = result_files(paths)
    names = _names(files)
    return [run for name, file in zip(names, files, strict=True) for run in _runs(name, file)]


def result_files(paths: Sequence[str]) -> list[Path]:
    """The results.json files of run folders, of files, and of all runs below folders, in the order given.

    Raises:
        InputError: a path has no results.
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
    return files


def _numbered(file: Path) -> list[tuple[bool, int, str]]:
    """The parts of a path, numbers by their value: job 9 of a sweep precedes job 10."""
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in file.parts]


def _runs(name: str, file: Path) -> list[ComparedRun]:
    """The run, or a row for each encoder of a comparison."""
    golden = _read(file, read_golden)
    if golden is not None:
        words = [word for word in shlex.split(str(golden.made.get("command", ""))) if "=" in word]
        return [ComparedRun(name=file.stem, record=golden.record, options=_all_options(golden.record, words), golden=golden)]
    records, words = read_file(file), _words(file.with_name(CONFIG_FILE))
    names = [name] if len(records) == 1 else [f"{name}: {record.name}" for record in records]
    return [
        ComparedRun(name=own, record=record, options=_all_options(record, words), folders=(file.parent,))
        for own, record in zip(names, records, strict=True)
    ]


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
    records = with_chosen_metrics([run.record for run in runs], metrics)
    return [replace(run, record=record) for run, record in zip(runs, records, strict=True)]


def with_chosen_metrics(records: Sequence[ResultRecord], metrics: Sequence[str]) -> list[ResultRecord]:
    """The records with only these metrics.

    Raises:
        InputError: a metric that no record has.
    """
    known = list(dict.fromkeys(name for record in records for name in record.metrics))
    unknown = [name for name in metrics if name not in known]
    if unknown:
        raise InputError(expected=f"metrics of {', '.join(known)}", got=unknown[0], hint="Choose from these metrics.")
    return [_with_metrics(record, metrics) for record in records]


def over_seeds(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """One run for all runs that differ in their seed alone: the mean of each metric, and from three seeds on its 95% interval over the
    seeds (Student's t; of two seeds it would be wider than the scale).
    """
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
        intervals={name: _interval_of_mean(values) for name, values in metrics.items() if len(values) > 2},
        queries=0,  # the interval of a mean is that over its seeds
    )
    options = {**runs[0].options, SEED: ",".join(run.options.get(SEED, "") for run in runs)}
    folders = tuple(folder for run in runs for folder in run.folders)
    return ComparedRun(name=f"{runs[0].name} and {len(runs) - 1} more", record=record, options=options, folders=folders)


def _interval_of_mean(values: Sequence[float]) -> list[float]:
    from scipy import stats  # half a second, for this option only

    mean, error = statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return [max(0.0, mean - reach), min(100.0, mean + reach)]


def _with_metrics(record: ResultRecord, metrics: Sequence[str]) -> ResultRecord:
    def chosen(figures: dict[str, Any]) -> dict[str, Any]:
        return {name: figures[name] for name in metrics if name in figures}

    return replace(record, metrics=chosen(record.metrics), baseline=chosen(record.baseline), intervals=chosen(record.intervals))


def read_file(file: Path) -> list[ResultRecord]:
    """The records of a results.json file.

    Raises:
        InputError: it cannot be read, or is another file.
    """
    return _read(file, read_records)


def _read(file: Path, reader: Callable[[Path], Content]) -> Content:
    try:
        return reader(file)
    except (OSError, TypeError, json.JSONDecodeError) as error:
        raise InputError(expected=f"results of a run in {file}", got=str(error), hint="Use files written by this program.") from error


def _names(files: Sequence[Path]) -> list[str]:
    """The run folders' names, with as many parent folders as needed to make them distinct."""
    for depth in range(1, 9):
        names = ["/".join(file.absolute().parts[-1 - depth : -1]) for file in files]
        if len(set(names)) == len(names):
            break
    return names
