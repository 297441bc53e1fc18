"""What a measure says of each single query: the figures are means of these, and so are their intervals.

Legend: Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vclr_pl.evaluation.accuracy import percent_correct_by_class


@dataclass(frozen=True)
class QueryScores:
    """One measure of Q queries."""

    label: Tensor  # [Q] long
    values: Mapping[str, Tensor]  # by metric, [Q] float64 in 0 to 1: the metric is 100 x their mean
    predicted: Tensor | None = None  # [Q] long, the class that the measure would give
    class_mean: str | None = None  # name of the metric that weighs each class alike, a mean of means over classes
    of_class: str = field(default="")  # the metric of `values` that is told by class; also what `class_mean` averages

    def metrics(self) -> dict[str, float]:
        """In percent, by name."""
        found = {name: 100 * float(values_Q.mean()) for name, values_Q in self.values.items()}
        if self.class_mean is not None:
            sums_C, counts_C = self.class_sums(torch.ones(1, len(self.label), dtype=torch.float64))
            found[self.class_mean] = 100 * float((sums_C[0] / counts_C[0]).mean())
        return found

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
