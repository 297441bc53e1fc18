"""Linear classification of frozen features."""

from __future__ import annotations

from sklearn.svm import LinearSVC
from torch import from_numpy

from vclr_pl.evaluation.accuracy import percent_correct, query_labels
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
        if query is None:
            return {}
        label_Q = query_labels(gallery=gallery, query=query)
        if int(gallery.label.min()) == int(gallery.label.max()):
            raise InputError(expected="two classes or more to tell apart", got="one", remedy="Switch the linear probe off.")
        machine = LinearSVC(dual=False, C=self.regularization_c, fit_intercept=False)
        machine.fit(gallery.features.double().numpy(), gallery.label.numpy())
        predicted_Q = from_numpy(machine.predict(query.features.double().numpy()))
        return {"linear_top1": percent_correct(predicted_Q == label_Q)}
