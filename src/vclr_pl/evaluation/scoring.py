"""Measures on tables of features, with bootstrap intervals over queries.

Legend: Q queries, M metrics, R resamples, r resamples of a batch, C classes of the queries, N videos, K classes of the logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from vclr_pl.evaluation.accuracy import QueryScores, query_labels, within_top
from vclr_pl.evaluation.chance import chance_percent
from vclr_pl.types import FeatureTable, InputError

WEIGHTS_PER_BLOCK = 4_000_000  # a batch of 32 MB in float64


class Bootstrap:
    """Percentile intervals (Efron 1979) by `scipy.stats.bootstrap`: queries are resampled with replacement, the gallery is fixed.

    Args:
        resamples: R.
        level_percent: confidence level of the interval, such as 95.
        seed: seed of the resampling.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(self, *, resamples: int, level_percent: float, seed: int) -> None:
        self.resamples, self.level_percent, self.seed = resamples, level_percent, seed
        if resamples < 2 or not 0 < level_percent < 100:
            raise InputError(
                expected="bootstrap.resamples of 2 or more and a level_percent between 0 and 100",
                got=f"resamples={resamples}, level_percent={level_percent}",
                hint="Set for instance bootstrap.resamples=2000 bootstrap.level_percent=95.",
            )

    def intervals(self, scores: QueryScores) -> dict[str, tuple[float, float]]:
        """`(low, high)` in percent of each metric of `scores`. Classes that a resample lacks are left out of its class mean."""
        names, queries = list(scores.metrics()), len(scores.label)
        if queries == 1:  # all resamples are equal
            return {name: (value, value) for name, value in scores.metrics().items()}
        values_QM = torch.stack([values_Q.double() for values_Q in scores.values.values()], dim=1)

        def resampled_metrics(drawn_rQ: NDArray[Any], axis: int) -> NDArray[np.float64]:
            del axis  # SciPy passes a smaller last batch
            weight_rQ = _counts(torch.from_numpy(drawn_rQ).long())
            columns = [(weight_rQ @ values_QM / queries).T]
            if scores.class_mean is not None:
                sums_rC, counts_rC = scores.class_sums(weight_rQ)
                means_rC = sums_rC / counts_rC.clamp(min=1)  # 0 for a class not in the resample
                columns.append((means_rC.sum(dim=1) / (counts_rC > 0).sum(dim=1))[None])
            return torch.cat(columns).numpy()

        low_M, high_M = stats.bootstrap(
            (np.arange(queries),),
            resampled_metrics,
            vectorized=True,
            n_resamples=self.resamples,
            batch=max(1, WEIGHTS_PER_BLOCK // queries),
            confidence_level=self.level_percent / 100,
            method="percentile",
            rng=np.random.default_rng(self.seed),
        ).confidence_interval
        return {name: (100 * float(low), 100 * float(high)) for name, low, high in zip(names, low_M, high_M, strict=True)}


def _counts(drawn_rQ: Tensor) -> Tensor:
    """`[r, Q]` float64: how often each resample contains each query."""
    resamples, queries = drawn_rQ.shape
    shifted_rQ = drawn_rQ + torch.arange(resamples)[:, None] * queries
    return torch.bincount(shifted_rQ.flatten(), minlength=resamples * queries).reshape(resamples, queries).double()


@dataclass
class Scores:
    """Percentages by metric; `by_class` by metric and class name, `chance` of random neighbors. `by_query` is by measure. `skipped`
    measures need labels.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    by_query: dict[str, QueryScores] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def add(self, other: Scores) -> None:
        """Add the scores of other measures."""
        self.metrics.update(other.metrics)
        self.intervals.update(other.intervals)
        self.by_class.update(other.by_class)
        self.chance.update(other.chance)
        self.by_query.update(other.by_query)
        self.skipped += other.skipped


def score(*, measures: Mapping[str, Any], gallery: FeatureTable, query: FeatureTable | None, bootstrap: Bootstrap) -> Scores:
    """Metrics of all measures. A measure without the method `scores` (values of each query) gets no intervals.

    Raises:
        InputError: a measure cannot use the tables.
    """
    result = Scores()
    for name, measure in measures.items():
        if not hasattr(measure, "scores"):
            result.metrics.update(measure(gallery=gallery, query=query))
            continue
        scores = measure.scores(gallery=gallery, query=query)
        if scores is None:
            continue
        result.by_query[name] = scores
        result.metrics.update(scores.metrics())
        result.intervals.update(bootstrap.intervals(scores))
        if scores.of_class:
            result.by_class[scores.of_class] = scores.by_class(gallery.class_names)
    result.chance = chance_percent(result.metrics, gallery=gallery, query=query)
    return result


@dataclass(frozen=True)
class Difference:
    """A metric minus that of another encoder, in points, and its interval."""

    points: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """The interval does not contain 0."""
        return self.low > 0 or self.high < 0


def paired_differences(scores: Scores, *, first: Scores, bootstrap: Bootstrap) -> dict[str, Difference]:
    """The metrics of `scores` minus those of `first`, by metric, for the same queries and measures.

    The bootstrap draws queries, and takes the difference of both encoders on each draw (paired): what makes a query hard for both
    does not widen the interval.
    """
    found = {}
    for name, of_queries in scores.by_query.items():
        difference = of_queries.minus(first.by_query[name])
        points, ends = difference.metrics(), bootstrap.intervals(difference)
        found.update({metric: Difference(points[metric], *ends[metric]) for metric in points})
    return found


MORE = 5
TOP1, MEAN_CLASS = "recognition_top1", "recognition_mean_class"


def recognition_scores(logits: FeatureTable) -> QueryScores:
    """Accuracy of a table whose features are class logits `[N, K]`. The class mean is over classes that have a video.

    Top-5 accuracy is left out if there are at most five classes.

    Raises:
        InputError: the table has no rows, a video without a label, or a logit that is not finite.
    """
    label_N = query_labels(gallery=logits, query=logits)
    tops = {TOP1: 1} | ({f"recognition_top{MORE}": MORE} if logits.features.shape[1] > MORE else {})
    values = {name: within_top(scores_QC=logits.features, label_Q=label_N, classes=classes).double() for name, classes in tops.items()}
    return QueryScores(label=label_N, values=values, predicted=predicted_class(logits.features), class_mean=MEAN_CLASS, of_class=TOP1)


def predicted_class(logits_NK: Tensor) -> Tensor:
    """`[N]` class of the highest logit; the lowest class wins a tie."""
    return torch.sort(logits_NK, dim=1, descending=True, stable=True).indices[:, 0]


def confusion_matrix(*, label_N: Tensor, predicted_N: Tensor, classes: int) -> Tensor:
    """`[K, K]` long: number of videos by class (row) and predicted class (column)."""
    return torch.bincount(label_N * classes + predicted_N, minlength=classes * classes).reshape(classes, classes)
