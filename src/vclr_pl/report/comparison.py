"""Runs as the rows of one table: metrics, intervals, and the options in which the runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vclr_pl.report.compared_runs import EXPERIMENT, SEED, ComparedRun
from vclr_pl.report.tables import metric_title

ENDS = ("encoder", "verdict")  # columns after the options
OF_A_BASELINE = (EXPERIMENT, SEED, "backbone", "data", "protocol", "evaluation")  # options that matter without training


@dataclass(frozen=True)
class Cell:
    """A metric as text, its interval, and true if the run is better in it than all other runs."""

    value: str
    interval: str = ""
    best: bool = False

    @property
    def text(self) -> str:
        return f"{self.value} ({self.interval})" if self.interval else self.value


@dataclass(frozen=True)
class Row:
    """A run, or a random initialization: its name, what it is called beside other runs, its texts by column, a cell for each metric."""

    name: str
    label: str
    texts: list[str]
    cells: list[Cell]


@dataclass(frozen=True)
class Comparison:
    """The columns of texts, the titles of the metrics, the rows, and a sentence on what all runs have in common (it may be empty)."""

    columns: list[str]
    metrics: list[str]
    rows: list[Row]
    common: str


def comparison_markdown(runs: Sequence[ComparedRun]) -> str:
    """A table with one row per run; `40.9 (27.3 to 54.5)` is a metric and its interval, the best run of a column is bold."""
    found = comparison(runs)
    lines = ["| " + " | ".join(["run", *found.metrics, *map(_escaped, found.columns)]) + " |"]
    lines.append("|---|" + "---:|" * len(found.metrics) + "---|" * len(found.columns))
    for row in found.rows:
        cells = [replace(cell, value=f"**{cell.value}**") if cell.best else cell for cell in row.cells]
        lines.append("| " + " | ".join([_escaped(row.label), *(cell.text for cell in cells), *map(_escaped, row.texts)]) + " |")
    return "\n".join([*lines, *(["", _escaped(found.common)] if found.common else [])]) + "\n"


def comparison(runs: Sequence[ComparedRun]) -> Comparison:
    """One row for each run, and one for each random initialization, above the first run that started from it.

    The columns of texts are those of the experiment, the options, the seed, the source of the encoder and the verdict in which the runs
    differ.
    """
    options = differing_options(runs)
    labels = run_labels(runs)
    rows = [entry for run, label in zip(runs, labels, strict=True) for entry in _entries(run, runs, options, label)]
    entries = list({(entry.name, *entry.texts, *entry.figures.items()): entry for entry in rows}.values())
    trained = [entry for entry in entries if not entry.is_baseline]
    metrics = list(dict.fromkeys(name for entry in entries for name in entry.figures))
    best = {name: _best([entry.figures[name] for entry in trained if name in entry.figures]) for name in metrics}
    columns = [*options, *ENDS]
    kept = [place for place in range(len(columns)) if len({entry.texts[place] for entry in trained}) > 1]
    common = [f"{name} {trained[0].texts[place]}" for place, name in enumerate(columns) if place not in kept and trained[0].texts[place]]
    return Comparison(
        columns=[columns[place] for place in kept],
        metrics=[metric_title(name) for name in metrics],
        rows=[
            Row(
                entry.name,
                entry.label,
                [entry.texts[place] for place in kept],
                [_cell(entry, metric, None if entry.is_baseline else best[metric]) for metric in metrics],
            )
            for entry in entries
        ],
        common=f"The same in all rows: {', '.join(common)}." if common else "",
    )


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row before its columns are chosen: texts of all columns, figures and intervals by metric."""

    name: str
    label: str
    texts: list[str]
    figures: Mapping[str, float]
    intervals: Mapping[str, list[float]]
    queries: int
    is_baseline: bool


def _entries(run: ComparedRun, runs: Sequence[ComparedRun], options: Sequence[str], label: str) -> list[Entry]:
    """The row of a run, after that of its random initialization if it was evaluated. Runs may share one: of one seed and network."""
    record, queries = run.record, run.record.queries
    values = [run.options.get(key, "") for key in options]
    texts = [*values, str(record.encoder.get("origin", "")).partition(": ")[0], str(record.training.get("verdict", ""))]
    failed = ", failed" if run.failed else ""
    own = Entry(
        name=f"{run.name}{failed}",
        label=f"{label}{failed}",
        texts=texts,
        figures=record.metrics,
        intervals=record.intervals,
        queries=queries,
        is_baseline=False,
    )
    if not record.baseline:
        return [own]
    sharing = [one for one in runs if (one.record.baseline, one.record.baseline_name) == (record.baseline, record.baseline_name)]
    shared = [
        value if key.startswith(OF_A_BASELINE) and all(one.options.get(key, "") == value for one in sharing) else ""
        for key, value in zip(options, values, strict=True)
    ]
    name = record.baseline_name if len(sharing) > 1 else f"{run.name}, {record.baseline_name}"
    return [
        Entry(name=name, label=name, texts=[*shared, "", ""], figures=record.baseline, intervals={}, queries=queries, is_baseline=True),
        own,
    ]


def differing_options(runs: Sequence[ComparedRun]) -> list[str]:
    """The experiment, the keys of the options in which the runs differ, in the order of the command lines, and the seed."""
    keys = list(dict.fromkeys(key for run in runs for key in run.options))
    differing = [key for key in keys if key not in (EXPERIMENT, SEED) and len({run.options.get(key, "") for run in runs}) > 1]
    return [EXPERIMENT, *differing, SEED]


def run_labels(runs: Sequence[ComparedRun]) -> list[str]:
    """The name of each run, and what tells it from the others: `demo: lr=0.1, seed 1`."""
    keys = [key for key in differing_options(runs) if len({run.options.get(key, "") for run in runs}) > 1]
    short = [key.rpartition(".")[2] for key in keys]
    shown = {key: name if short.count(name) == 1 else key for key, name in zip(keys, short, strict=True)}
    parts = [[f"{shown[key]}{' ' if key == SEED else '='}{run.options[key]}" for key in keys if run.options.get(key)] for run in runs]
    return [f"{run.name}: {', '.join(own)}" if own else run.name for run, own in zip(runs, parts, strict=True)]


def _best(values: Sequence[float]) -> float | None:
    """The highest value as shown; None if several runs share it or there is one run only."""
    shown = [round(value, 1) for value in values]
    return max(shown) if len(shown) > 1 and shown.count(max(shown)) == 1 else None


def _cell(entry: Entry, metric: str, best: float | None) -> Cell:
    from vclr_pl.report.run_results import share_interval  # half a second for SciPy, for tables only

    if metric not in entry.figures:
        return Cell("-")
    value = entry.figures[metric]
    reach = entry.intervals.get(metric) or share_interval(metric, value, entry.queries)
    return Cell(value=f"{value:.1f}", interval=f"{reach[0]:.1f} to {reach[1]:.1f}" if reach else "", best=round(value, 1) == best)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
