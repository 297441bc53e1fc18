"""Accuracy over queries and classes, in percent, and the score of each query.

Legend: N videos, Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from vclr_pl.types import FeatureTable, InputError, nothing_readable


def percent_correct(correct_N: Tensor) -> float:
    """Accuracy from `correct_N` bool, 0 to 100."""
    return 100.0 * int(correct_N.sum()) / len(correct_N)


def percent_correct_by_class(*, correct_N: Tensor, label_N: Tensor, class_names: Sequence[str]) -> dict[str, float]:
    """Accuracy within each class that has a video; a class without a name is named by its number."""
    return {
        class_names[label] if label < len(class_names) else str(label): percent_correct(correct_N[label_N == label])
        for label in torch.unique(label_N).tolist()
    }


def within_top(*, scores_QC: Tensor, label_Q: Tensor, classes: int) -> Tensor:
    """`[Q]` bool: the label is among the `classes` highest scores; of equal scores the lower class is first."""
    first = torch.sort(scores_QC, dim=1, descending=True, stable=True).indices[:, :classes]
    return (first == label_Q[:, None]).any(dim=1)


def query_labels(*, gallery: FeatureTable, query: FeatureTable | None) -> Tensor:
    """`[Q]` labels of the queries, or, without queries, of the gallery (leave-one-out).

    Raises:
        InputError: an empty table, a row without a label, a feature that is not finite, or a single gallery video without queries.
    """
    _check(gallery, "gallery")
    if query is None and len(gallery) < 2:
        raise InputError(expected="at least two gallery videos for leave-one-out", got="one", hint="Use more videos, or queries.")
    if query is not None:
        _check(query, "query")
    return gallery.label if query is None else query.label


def _check(table: FeatureTable, role: str) -> None:
    refuse_unusable(table, role=role)
    unlabeled = int((table.label < 0).sum())
    if unlabeled:
        raise InputError(
            expected=f"a label for every {role} video",
            got=f"{unlabeled} of {len(table)} without a label",
            hint="Add labels, or disable the measures that use labels.",
        )


def refuse_unusable(table: FeatureTable, *, role: str) -> None:
    """
    Raises:
        InputError: an empty table, or a feature that is not finite.
    """
    if len(table) == 0:
        raise nothing_readable(f"{role} videos", table.broken)
    if not bool(torch.isfinite(table.features).all()):
        raise InputError(
            expected=f"finite {role} features",
            got="NaN or infinity",
            hint="The network has diverged: lower optimizer.lr, or use trainer.precision=32-true.",
        )


@dataclass(frozen=True)
class QueryScores:
    """One measure of Q queries."""

    label: Tensor  # [Q] long
    values: Mapping[str, Tensor]  # by metric, [Q] float64 in 0 to 1 (-1 to 1 of a difference): the metric is 100 x their mean
    predicted: Tensor | None = None  # [Q] long, predicted class
    class_mean: str | None = None  # name of the metric that weights classes equally: the mean over classes of the mean within a class
    of_class: str = field(default="")  # the metric of `values` that is reported by class and averaged in `class_mean`

    def metrics(self) -> dict[str, float]:
        """Metrics in percent, by name."""
        metrics = {name: 100 * float(values_Q.mean()) for name, values_Q in self.values.items()}
        if self.class_mean is not None:
            sums_C, counts_C = self.class_sums(torch.ones(1, len(self.label), dtype=torch.float64))
            metrics[self.class_mean] = 100 * float((sums_C[0] / counts_C[0]).mean())
        return metrics

    def minus(self, other: QueryScores) -> QueryScores:
        """The difference in each query, whose means and intervals are those of the paired difference of the two.

        Raises:
            ValueError: the two are not of the same queries and metrics.
        """
        if not torch.equal(self.label, other.label) or list(self.values) != list(other.values) or self.of_class != other.of_class:
            raise ValueError("scores of other queries or metrics")
        return replace(self, values={name: values_Q - other.values[name] for name, values_Q in self.values.items()}, predicted=None)

    def by_class(self, class_names: Sequence[str]) -> dict[str, float]:
        """The metric `of_class` in percent within each class of the queries."""
        if not self.of_class:
            return {}
        return percent_correct_by_class(correct_N=self.values[self.of_class] > 0, label_N=self.label, class_names=class_names)

    def class_sums(self, weight_RQ: Tensor) -> tuple[Tensor, Tensor]:
        """Sums `[R, C]` of `of_class` and of the weights over the queries of each class, under R weightings of the queries."""
        classes, class_Q = torch.unique(self.label, return_inverse=True)
        member_QC = torch.nn.functional.one_hot(class_Q, len(classes)).double()
        return weight_RQ @ (member_QC * self.values[self.of_class][:, None]), weight_RQ @ member_QC
