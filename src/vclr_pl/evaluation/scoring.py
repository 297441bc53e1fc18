"""Measures on tables of features, with bootstrap intervals over queries.

Legend: Q queries, R resamples, r resamples of a block, C classes, N videos, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vclr_pl.evaluation.accuracy import QueryScores, query_labels, within_top
from vclr_pl.types import FeatureTable, InputError

WEIGHTS_PER_BLOCK = 4_000_000  # 32 MB of float64


class Bootstrap:
    """The percentile interval (Efron 1979): queries are drawn with replacement, the gallery and the encoder stay.

    Args:
        resamples: R.
        level_percent: of the interval, for instance 95.
        seed: of the draws.

    Raises:
        InputError: a figure out of range.
    """

    def __init__(self, *, resamples: int, level_percent: float, seed: int) -> None:
        self.resamples, self.level_percent, self.seed = resamples, level_percent, seed
        if resamples < 1 or not 0 < level_percent < 100:
            raise InputError(
                expected="bootstrap.resamples of 1 or more and a level_percent between 0 and 100",
                got=f"resamples={resamples}, level_percent={level_percent}",
                hint="Set for instance bootstrap.resamples=2000 bootstrap.level_percent=95.",
            )

    def intervals(self, scores: QueryScores) -> dict[str, tuple[float, float]]:
        """`(low, high)` in percent of each metric of `scores`. In the class mean, a class that a resample misses does not count."""
        names = list(scores.values)
        values_QM = torch.stack([scores.values[name].double() for name in names], dim=1)
        queries = len(scores.label)
        generator = torch.Generator().manual_seed(self.seed)
        found: dict[str, list[Tensor]] = {name: [] for name in (*names, *([scores.class_mean] if scores.class_mean else []))}
        for start in range(0, self.resamples, block := max(1, WEIGHTS_PER_BLOCK // queries)):
            weight_rQ = _draw(min(block, self.resamples - start), queries, generator)
            means_rM = weight_rQ @ values_QM / queries
            for place, name in enumerate(names):
                found[name].append(means_rM[:, place])
            if scores.class_mean is not None:
                sums_rC, counts_rC = scores.class_sums(weight_rQ)
                present_rC = counts_rC > 0
                shares_rC = torch.where(present_rC, sums_rC / counts_rC.clamp(min=1), 0)
                found[scores.class_mean].append(shares_rC.sum(dim=1) / present_rC.sum(dim=1))
        tail = (1 - self.level_percent / 100) / 2
        ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
        return {name: _pair(100 * torch.quantile(torch.cat(parts), ends)) for name, parts in found.items()}


def _draw(resamples: int, queries: int, generator: torch.Generator) -> Tensor:
    """`[r, Q]` float64: how often each resample holds each query."""
    drawn_rQ = torch.randint(queries, (resamples, queries), generator=generator)
    drawn_rQ += torch.arange(resamples)[:, None] * queries
    return torch.bincount(drawn_rQ.flatten(), minlength=resamples * queries).reshape(resamples, queries).double()


def _pair(ends: Tensor) -> tuple[float, float]:
    low, high = ends.tolist()
    return low, high


@dataclass
class Scores:
    """In percent, by metric; `by_class` by metric and class name."""

    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)


def score(*, measures: Mapping[str, Any], gallery: FeatureTable, query: FeatureTable | None, bootstrap: Bootstrap) -> Scores:
    """Ask each measure. One without `scores` (the method with the figures of each query) has figures and no intervals.

    Raises:
        InputError: tables that a measure cannot use.
    """
    found = Scores()
    for measure in measures.values():
        if not hasattr(measure, "scores"):
            found.metrics.update(measure(gallery=gallery, query=query))
            continue
        scores = measure.scores(gallery=gallery, query=query)
        if scores is None:
            continue
        found.metrics.update(scores.metrics())
        found.intervals.update(bootstrap.intervals(scores))
        if scores.of_class:
            found.by_class[scores.of_class] = scores.by_class(gallery.class_names)
    return found


MORE = 5
TOP1, MEAN_CLASS = "recognition_top1", "recognition_mean_class"


def recognition_scores(logits: FeatureTable) -> QueryScores:
    """Of a table whose features are class logits `[N, K]`; classes without a video do not count in the mean of classes.

    Where there are at most five classes, top-5 says nothing and is left out.

    Raises:
        InputError: a table without rows, a video without a label, or a logit that is no number.
    """
    label_N = query_labels(gallery=logits, query=logits)
    tops = {TOP1: 1} | ({f"recognition_top{MORE}": MORE} if logits.features.shape[1] > MORE else {})
    values = {name: within_top(scores_QC=logits.features, label_Q=label_N, classes=classes).double() for name, classes in tops.items()}
    return QueryScores(label=label_N, values=values, predicted=predicted_class(logits.features), class_mean=MEAN_CLASS, of_class=TOP1)


def predicted_class(logits_NK: Tensor) -> Tensor:
    """`[N]` the class of the highest logit; of equal ones the lower."""
    return torch.sort(logits_NK, dim=1, descending=True, stable=True).indices[:, 0]


def confusion_matrix(*, label_N: Tensor, predicted_N: Tensor, classes: int) -> Tensor:
    """`[K, K]` long: how many videos of the row's class are named as the column's."""
    return torch.bincount(label_N * classes + predicted_N, minlength=classes * classes).reshape(classes, classes)
