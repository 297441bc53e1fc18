"""Linear classification of frozen features.

Legend: Q queries, C classes of the gallery.
"""

from __future__ import annotations

import torch
from sklearn.svm import LinearSVC
from torch import Tensor, from_numpy

from vclr_pl.evaluation.accuracy import query_labels, within_top
from vclr_pl.evaluation.query_scores import QueryScores
from vclr_pl.types import FeatureTable, InputError


class LinearProbe:
    """A linear support vector machine: L2 penalty, squared hinge, primal, no bias, one against the rest, features as they are.

    The published protocol is C = 1. The primal solver draws nothing at random.

    Args:
        regularization_c: weight of the errors against the penalty.

    Raises:
        InputError: a figure out of range.
    """

    def __init__(self, *, regularization_c: float) -> None:
        self.regularization_c = regularization_c
        if regularization_c <= 0:
            raise InputError(expected="regularization_c above 0", got=str(regularization_c), remedy="Set regularization_c=1.0.")

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """`linear_top1` in percent: trained on the gallery, asked on the queries; nothing without queries.

        Raises:
            InputError: an empty or unlabeled table, or a gallery of a single class.
        """
        scores = self.scores(gallery=gallery, query=query)
        return {} if scores is None else {"linear_top1": scores.metrics()["linear_top1"]}

    def scores(self, *, gallery: FeatureTable, query: FeatureTable | None) -> QueryScores | None:
        """`linear_top1`, `linear_top5`, and `linear_mean_class`, the mean over classes of their share of right answers.

        Raises:
            InputError: as above.
        """
        if query is None:
            return None
        label_Q = query_labels(gallery=gallery, query=query)
        refuse_single_class(gallery)
        machine = LinearSVC(dual=False, C=self.regularization_c, fit_intercept=False)
        machine.fit(gallery.features.double().numpy(), gallery.label.numpy())
        decision = from_numpy(machine.decision_function(query.features.double().numpy()))
        decision_QC = torch.stack((-decision, decision), dim=1) if decision.dim() == 1 else decision
        return linear_scores(name="linear", decision_QC=decision_QC, class_C=from_numpy(machine.classes_), label_Q=label_Q)


def refuse_single_class(gallery: FeatureTable) -> None:
    """
    Raises:
        InputError: when there is nothing to tell apart.
    """
    if int(gallery.label.min()) == int(gallery.label.max()):
        raise InputError(expected="two classes or more to tell apart", got="one", remedy="Switch the linear probe off.")


def linear_scores(*, name: str, decision_QC: Tensor, class_C: Tensor, label_Q: Tensor) -> QueryScores:
    """Scores of a classifier from what it says of each class of the gallery; a query of another class is wrong.

    Args:
        name: metrics are `<name>_top1`, `<name>_top5` and `<name>_mean_class`.
        class_C: labels of the columns, ascending.
    """
    place_Q = torch.searchsorted(class_C, label_Q).clamp(max=len(class_C) - 1)
    known_Q = class_C[place_Q] == label_Q
    right = {f"{name}_top{top}": within_top(scores_QC=decision_QC, label_Q=place_Q, classes=top) & known_Q for top in (1, 5)}
    return QueryScores(
        label=label_Q,
        values={metric: right_Q.double() for metric, right_Q in right.items()},
        predicted=class_C[decision_QC.argmax(dim=1)],
        class_mean=f"{name}_mean_class",
        of_class=f"{name}_top1",
    )
