"""The curves of several runs over one another, from their metrics.csv and results.json."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vclr_pl.report.chart import Band, Chart, Curve, Level, Point, shown
from vclr_pl.report.compared_runs import ComparedRun
from vclr_pl.report.comparison import run_labels
from vclr_pl.report.golden import Deviation
from vclr_pl.report.run_charts import BATCH, LOSS, POSITIVE, TESTED, TRAIN, ChartGroup, words
from vclr_pl.report.tables import metric_title

CURRENT, EARLIER = "metrics.csv", "metrics_until_*.csv"  # a resumed run in the same folder has files of its earlier starts
AT_THE_ENDS = ("knn_top1", "retrieval_r1", "recognition_top1")  # metrics of results.json, drawn at the first and the last step
STEP = "step"
GAP = "_gap"  # positives minus other videos
AVERAGED_POINTS = 120  # of a curve


def compared_charts(runs: Sequence[ComparedRun]) -> list[ChartGroup]:
    """One chart for each metric that a run has, with a curve of every run; groups without charts are left out."""
    names = run_labels(runs)
    every_step = [with_gaps(curves_of(run)) for run in runs]
    tested = [_with_ends(run, found) for run, found in zip(runs, every_step, strict=True)]
    curves = [{name: averaged(points) for name, points in found.items()} for found in every_step]
    metrics = list(dict.fromkeys(name for found in curves for name in found))

    def charts(chosen: Sequence[str], source: Sequence[Mapping[str, list[Point]]], *, unit: str = "") -> list[Chart]:
        return [
            Chart(
                title=_title(name),
                unit=unit,
                curves=[Curve(name=label, points=found[name]) for label, found in zip(names, source, strict=True) if name in found],
                levels=_levels(name, runs),
                bands=_bands(name, runs, source),
            )
            for name in chosen
        ]

    losses = sorted((name for name in metrics if name.startswith(LOSS)), key=lambda name: name != LOSS)
    groups = [
        ChartGroup(
            title="Losses",
            hint="Means of neighboring steps. Lower is better; a dashed line is the loss of a random guess, where the runs have stored it. "
            "Losses against queues of different lengths have different scales.",
            charts=charts(losses, curves),
        ),
        ChartGroup(
            title="Similarities",
            hint="The gap: cosine similarity of a query to its positives, minus that to the other videos of the batch. A gap above 0 shows "
            "learning; at 0 the encoder does not distinguish videos.",
            charts=charts([name for name in metrics if name.endswith(GAP)], curves),
        ),
        ChartGroup(
            title="Evaluation",
            hint="Measured before training, between epochs where the run does so, and after training.",
            charts=charts(list(dict.fromkeys(name for found in tested for name in found)), tested, unit="%"),
        ),
        ChartGroup(title="Speed", hint="Videos per second over all devices.", charts=charts(_present(metrics), curves)),
    ]
    return [group for group in groups if group.charts]


def curves_of(run: ComparedRun) -> dict[str, list[Point]]:
    """The curves of its folders, the mean where there are several, or its golden curves."""
    if run.golden is not None:
        return {name: list(points) for name, points in run.golden.curves.items()}
    return mean_curves([read_curves(folder) for folder in run.folders])


@dataclass(frozen=True, kw_only=True)
class GoldenComparison:
    """A run against golden curves: names of both, and the largest deviation of each curve and result."""

    run: str
    golden: str
    deviations: Sequence[Deviation]

    @property
    def outside(self) -> list[Deviation]:
        return [deviation for deviation in self.deviations if deviation.is_outside]

    @property
    def verdict(self) -> str:
        nearest = max(self.deviations, key=lambda deviation: deviation.share, default=None)
        if nearest is None:
            return f"{self.run} against {self.golden}: no curve has a bound"
        count = len(self.deviations)
        if self.outside:
            return f"{self.run} against {self.golden}: {len(self.outside)} of {count} curves and results are outside their bounds"
        place = f"nearest to it: {nearest.name}, {100 * nearest.share:.2g}% of the bound at step {nearest.step}"
        return f"{self.run} against {self.golden}: all {count} curves and results are within their bounds; {place}"


def golden_comparisons(runs: Sequence[ComparedRun]) -> list[GoldenComparison]:
    """Every run against every run of golden curves, in order."""
    names = run_labels(runs)
    pairs = [(run, golden) for golden in range(len(runs)) for run in range(len(runs)) if runs[golden].golden and not runs[run].golden]
    return [
        GoldenComparison(
            run=names[run], golden=runs[golden].name, deviations=curves.deviations(curves_of(runs[run]), record=runs[run].record)
        )
        for run, golden in pairs
        if (curves := runs[golden].golden) is not None
    ]


def _bands(name: str, runs: Sequence[ComparedRun], curves: Sequence[Mapping[str, list[Point]]]) -> list[Band]:
    """The bounds of golden curves around these."""
    bands = []
    for run, found in zip(runs, curves, strict=True):
        if run.golden is None or run.golden.bound_of(name, 1) is None:
            continue
        reach = [(step, value, run.golden.bound_of(name, step) or 0.0) for step, value in found.get(name, ())]
        points = [(step, value - bound, value + bound) for step, value, bound in reach]
        bands += [Band(name=f"bounds of {run.name}", points=points)] if points else []
    return bands


def with_gaps(curves: Mapping[str, list[Point]]) -> dict[str, list[Point]]:
    """The curves, and for each term with both similarities the difference between positives and other videos, as `train/TERM_gap`."""
    gaps: dict[str, list[Point]] = {}
    for name in (name for name in curves if name.endswith(POSITIVE)):
        term = name.removesuffix(POSITIVE)
        others = dict(curves.get(term + BATCH, ()))
        if points := [(step, value - others[step]) for step, value in curves[name] if step in others]:
            gaps[term + GAP] = points
    return {**curves, **gaps}


def _levels(name: str, runs: Sequence[ComparedRun]) -> list[Level]:
    """The losses of a random guess, which runs may have in common; no gap for the gaps."""
    if name.endswith(GAP):
        return [Level(name="no gap", value=0.0)]
    stored = [run.record.guess_losses.get(name.removeprefix(TRAIN)) for run in runs]
    distinct = sorted({round(loss, 4) for loss in stored if loss is not None})
    return [Level(name=f"random guess: {shown(loss)}", value=loss) for loss in distinct]


def averaged(points: Sequence[Point], *, limit: int = AVERAGED_POINTS) -> list[Point]:
    """At most about `limit` points, each the mean of as many neighbors: single batches scatter more than runs differ."""
    together = -(-len(points) // limit)
    if together == 1:
        return list(points)
    parts = [points[start : start + together] for start in range(0, len(points), together)]
    return [(part[len(part) // 2][0], statistics.fmean(value for _, value in part)) for part in parts]


def _present(metrics: Sequence[str]) -> list[str]:
    return [name for name in (f"{TRAIN}videos_per_second",) if name in metrics]


def read_curves(folder: Path) -> dict[str, list[Point]]:
    """Values over steps by name; steps count from 1. Cells that are no number are left out; a folder without the file has no curves."""
    found: dict[str, dict[int, float]] = {}
    for file in [*sorted(folder.glob(EARLIER)), folder / CURRENT]:
        if not file.is_file():
            continue
        with file.open(newline="", encoding="utf-8", errors="replace") as lines:
            for row in csv.DictReader(lines):
                _add(found, row)
    return {name: sorted(values.items()) for name, values in found.items()}


def _add(found: dict[str, dict[int, float]], row: Mapping[str, str | None]) -> None:
    try:
        step = int(float(row.get(STEP) or "")) + 1
    except ValueError:  # a line that is being written
        return
    for name, text in row.items():
        if name is None or name in (STEP, "epoch") or not isinstance(text, str) or not text:
            continue
        try:
            found.setdefault(name, {})[step] = float(text)
        except ValueError:
            continue


def mean_curves(runs: Sequence[Mapping[str, list[Point]]]) -> dict[str, list[Point]]:
    """The mean of each curve over runs, at the steps that all of them have."""
    if len(runs) < 2:
        return dict(*runs)
    found: dict[str, list[Point]] = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        values = [dict(run.get(name, ())) for run in runs]
        steps = sorted(set(values[0]).intersection(*values[1:]))
        if steps:
            found[name] = [(step, statistics.fmean(points[step] for points in values)) for step in steps]
    return found


def _with_ends(run: ComparedRun, curves: Mapping[str, list[Point]]) -> dict[str, list[Point]]:
    """The metrics between epochs, with those of results.json before the first and after the last step."""
    last = int(run.record.training.get("steps", 0)) or max((points[-1][0] for points in curves.values()), default=0)
    between = {name.removeprefix(TESTED): points for name, points in curves.items() if name.startswith(TESTED)}
    if "top1" in between:
        between["recognition_top1"] = between.pop("top1")
    found = {}
    for name in dict.fromkeys([*between, *AT_THE_ENDS]):
        points = dict(between.get(name, ()))
        if last and name in run.record.metrics:
            points[last] = run.record.metrics[name]
        if last and name in run.record.baseline:
            points[0] = run.record.baseline[name]
        if points and last:
            found[name] = sorted(points.items())
    return found


def _title(name: str) -> str:
    short = name.removeprefix(TRAIN)
    if name.startswith(LOSS):
        return words(name.removeprefix(LOSS).lstrip("_")) or "total loss"
    if short.endswith(GAP):
        return f"{words(short.removesuffix(GAP))}: positives minus other videos"
    return "videos per second" if short == "videos_per_second" else metric_title(short)
