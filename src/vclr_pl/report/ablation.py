"""Methods on several tasks and seeds: means, and paired differences from one of the methods, with intervals over seeds and videos.

Legend: Q queries of a seed, K metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vclr_pl.report.ablation_bootstrap import SeedSample, percentile_interval, two_level_means
from vclr_pl.report.outcomes import Outcomes, read_outcomes
from vclr_pl.report.record import RANDOM_INITIALIZATION, ResultRecord
from vclr_pl.types import InputError

LEADING = ("retrieval_r1", "auc", "knn_top1", "recognition_top1")  # what a figure shows of a task: the first that it has
CHANCE = "chance"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One evaluation: a method with a seed on a task. `pooling` is empty if all cells have the same."""

    task: str
    method: str
    seed: int | str
    record: ResultRecord
    pooling: str = ""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds in percent, or a difference in points, and the ends of its interval: None without outcomes of queries."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def is_clear(self) -> bool:
        """The interval does not contain 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, kw_only=True)
class AblationCell:
    """A method on a task, over its seeds.

    Args:
        seeds: of the means.
        paired_seeds: those that the reference has too, of the differences.
        queries: of the first seed; 0 without outcomes of queries.
        means: by metric.
        differences: from the reference, by metric; empty for the reference.
        chance: what random neighbors give, or the baseline of localization, by metric; the mean over seeds.
        chance_name: what `chance` is.
    """

    task: str
    method: str
    pooling: str
    seeds: tuple[str, ...]
    paired_seeds: tuple[str, ...] = ()
    queries: int = 0
    means: Mapping[str, Estimate] = field(default_factory=dict)
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    chance_name: str = CHANCE


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """All cells, in the order of tasks, methods (the reference first) and poolings."""

    reference: str
    cells: Sequence[AblationCell]
    resamples: int
    level_percent: float

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(cell.task for cell in self.cells))

    @property
    def methods(self) -> list[str]:
        """The reference is the first."""
        return list(dict.fromkeys([self.reference, *(cell.method for cell in self.cells)]))

    @property
    def poolings(self) -> list[str]:
        return list(dict.fromkeys(cell.pooling for cell in self.cells))

    @property
    def metrics(self) -> list[str]:
        """Metrics with an interval; without any, all. Those of `LEADING` are first."""
        known = list(dict.fromkeys(name for cell in self.cells for name in cell.means))
        with_interval = [name for name in known if any(cell.means[name].low is not None for cell in self.cells if name in cell.means)]
        shown = with_interval or known
        return [*(name for name in LEADING if name in shown), *(name for name in shown if name not in LEADING)]

    @property
    def most_seeds(self) -> int:
        return max(len(cell.seeds) for cell in self.cells)

    def of(self, task: str, method: str, pooling: str) -> AblationCell | None:
        """The cell; None if there is no result of it."""
        return next((cell for cell in self.cells if (cell.task, cell.method, cell.pooling) == (task, method, pooling)), None)


def ablation(cells: Sequence[Cell], *, reference: str, resamples: int = 2000, seed: int = 0, level_percent: float = 95.0) -> Ablation:
    """Means over seeds, and differences from `reference` paired by task, pooling, seed and query.

    The interval is a percentile interval of the two-level bootstrap (`report.ablation_bootstrap`), in which both methods of a difference
    get the same draws. Metrics without outcomes of queries (mAP, other ranks, older files) have no interval. With one seed the
    interval is over its queries alone. A seed without a result of the reference is left out of the difference.

    Args:
        cells: results in any order; tasks and methods keep the order of their first cells.
        reference: the method from which the others differ.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        level_percent: confidence level of the intervals.

    Raises:
        InputError: a cell twice, no cell of the reference, or a pair with other queries.
    """
    by_seed = _by_seed(cells)
    methods = list(dict.fromkeys(cell.method for cell in cells))
    if reference not in methods:
        raise InputError(
            expected=f"a method of {', '.join(methods) or 'none'}", got=f"'{reference}'", hint="Name a method that has results."
        )
    bootstrap = _Bootstrap(resamples=resamples, seed=seed, level_percent=level_percent)
    keys = [
        (task, method, pooling)
        for task in dict.fromkeys(cell.task for cell in cells)
        for method in dict.fromkeys([reference, *methods])
        for pooling in dict.fromkeys(cell.pooling for cell in cells)
    ]
    found = [_cell(key, by_seed, reference=reference, bootstrap=bootstrap) for key in keys if key in by_seed]
    return Ablation(reference=reference, cells=found, resamples=resamples, level_percent=level_percent)


_Key = tuple[str, str, str]  # task, method, pooling


def _by_seed(cells: Iterable[Cell]) -> dict[_Key, dict[str, Cell]]:
    found: dict[_Key, dict[str, Cell]] = {}
    for cell in cells:
        of = found.setdefault((cell.task, cell.method, cell.pooling), {})
        if str(cell.seed) in of:
            raise InputError(
                expected="one result for each task, method, pooling and seed",
                got=f"two of {_named(cell)}",
                hint="Leave out one of them, or give them different names or seeds.",
            )
        of[str(cell.seed)] = cell
    return found


def _named(cell: Cell) -> str:
    return ", ".join([f"task {cell.task}", f"method {cell.method}", *([cell.pooling] if cell.pooling else []), f"seed {cell.seed}"])


@dataclass(frozen=True)
class _Bootstrap:
    resamples: int
    seed: int
    level_percent: float

    def intervals(self, outcomes: Sequence[Outcomes], metrics: Sequence[str], *, lowest: float) -> dict[str, tuple[float, float]]:
        """Ends in percent of the means over these seeds, by metric, from `lowest` to 100."""
        if not metrics:
            return {}
        samples = [SeedSample(np.stack([of.values[name] for name in metrics], axis=1), of.weights) for of in outcomes]
        same = len(outcomes) > 1 and len({of.queries for of in outcomes}) == 1
        means_RK = two_level_means(samples, same_queries=same, resamples=self.resamples, seed=self.seed)
        ends_2K = np.clip(100.0 * percentile_interval(means_RK, level_percent=self.level_percent), lowest, 100.0)
        return {name: (float(low), float(high)) for name, low, high in zip(metrics, *ends_2K, strict=True)}


def _cell(key: _Key, by_seed: Mapping[_Key, Mapping[str, Cell]], *, reference: str, bootstrap: _Bootstrap) -> AblationCell:
    task, method, pooling = key
    own, other = by_seed[key], by_seed.get((task, reference, pooling), {})
    paired = [] if method == reference else [seed for seed in own if seed in other]
    outcomes = _all_outcomes(own.values())
    chance, chance_name = _chance([cell.record for cell in own.values()])
    return AblationCell(
        task=task,
        method=method,
        pooling=pooling,
        seeds=tuple(own),
        paired_seeds=tuple(paired),
        queries=len(outcomes[0].weights) if outcomes else 0,
        means=_estimates([cell.record.metrics for cell in own.values()], outcomes, bootstrap, lowest=0.0),
        differences=_differences([own[seed] for seed in paired], [other[seed] for seed in paired], bootstrap),
        chance=chance,
        chance_name=chance_name,
    )


def _chance(records: Sequence[ResultRecord]) -> tuple[dict[str, float], str]:
    """Means over seeds of chance, else of the baseline of localization, for metrics that all seeds have; and what they are."""
    first = records[0]
    of_seeds, name = [record.chance for record in records], CHANCE
    if not first.chance and first.baseline and first.baseline_name != RANDOM_INITIALIZATION:
        of_seeds, name = [record.baseline for record in records], first.baseline_name
    shared = [metric for metric in of_seeds[0] if all(metric in of for of in of_seeds)]
    return {metric: float(np.mean([of[metric] for of in of_seeds])) for metric in shared}, name


def _differences(own: Sequence[Cell], other: Sequence[Cell], bootstrap: _Bootstrap) -> dict[str, Estimate]:
    if not own:
        return {}
    points = [
        {name: value - second.record.metrics[name] for name, value in first.record.metrics.items() if name in second.record.metrics}
        for first, second in zip(own, other, strict=True)
    ]
    firsts, seconds = _all_outcomes(own), _all_outcomes(other)
    if not firsts or not seconds:
        return _estimates(points, [], bootstrap)
    pairs = zip(own, other, firsts, seconds, strict=True)
    return _estimates(points, [_minus(first, second, cells=(cell, beside)) for cell, beside, first, second in pairs], bootstrap)


def _minus(first: Outcomes, second: Outcomes, *, cells: tuple[Cell, Cell]) -> Outcomes:
    if first.queries != second.queries or len(first.weights) != len(second.weights):
        raise InputError(
            expected=f"the queries of method {cells[1].method} in {_named(cells[0])}",
            got=f"other queries ({len(first.weights)} with identity {first.queries}, {len(second.weights)} with {second.queries})",
            hint="Evaluate both on the same list; videos that one of them cannot read must be missing for both.",
        )
    values = {name: values_Q - second.values[name] for name, values_Q in first.values.items() if name in second.values}
    return Outcomes(queries=first.queries, values=values, weights=first.weights)


def _estimates(
    metrics: Sequence[Mapping[str, float]], outcomes: Sequence[Outcomes], bootstrap: _Bootstrap, *, lowest: float = -100.0
) -> dict[str, Estimate]:
    """Means over seeds of the metrics that all seeds have; with an interval where all seeds have their outcomes."""
    shared = [name for name in metrics[0] if all(name in of for of in metrics)]
    drawn = [name for name in shared if outcomes and all(name in of.values for of in outcomes)]
    ends = bootstrap.intervals(outcomes, drawn, lowest=lowest)
    return {name: Estimate(float(np.mean([of[name] for of in metrics])), *ends.get(name, ())) for name in shared}


def _all_outcomes(cells: Iterable[Cell]) -> list[Outcomes]:
    """Those of all cells; empty if a cell has none."""
    found = [read_outcomes(cell.record.outcomes) for cell in cells]
    return [of for of in found if of is not None] if all(of is not None for of in found) else []
