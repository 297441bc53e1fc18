"""Linear classifiers on frozen features.

Legend: Q queries, C classes of the gallery, N gallery videos, B videos of a block, F features, C classes.
"""

from __future__ import annotations

import torch
from sklearn.svm import LinearSVC
from torch import Tensor, from_numpy

from vclr_pl.evaluation.accuracy import QueryScores, query_labels, within_top
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import FeatureTable, InputError


class LinearProbe:
    """A linear support vector machine: L2 penalty, squared hinge, primal, no bias, one against the rest, features not scaled.

    The published protocol is C = 1. The primal solver is deterministic.

    Args:
        regularization_c: weight of the errors against the penalty.

    Raises:
        InputError: a value out of range.
    """

    def __init__(self, *, regularization_c: float) -> None:
        self.regularization_c = regularization_c
        if regularization_c <= 0:
            raise InputError(expected="regularization_c above 0", got=str(regularization_c), hint="Set regularization_c=1.0.")

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """`linear_top1` in percent: trained on the gallery, tested on the queries; empty without queries.

        Raises:
            InputError: an empty or unlabeled table, or a gallery of a single class.
        """
        scores = self.scores(gallery=gallery, query=query)
        return {} if scores is None else {"linear_top1": scores.metrics()["linear_top1"]}

    def scores(self, *, gallery: FeatureTable, query: FeatureTable | None) -> QueryScores | None:
        """`linear_top1`, `linear_top5`, and `linear_mean_class`, the mean over classes of the accuracy within a class.

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
        InputError: fewer than two classes.
    """
    if int(gallery.label.min()) == int(gallery.label.max()):
        raise InputError(expected="two classes or more", got="one", hint="Use labels of several classes, or disable this probe.")


def linear_scores(*, name: str, decision_QC: Tensor, class_C: Tensor, label_Q: Tensor) -> QueryScores:
    """Scores of a classifier from its decision values for the gallery's classes; a query of another class is wrong.

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


ROWS_PER_BLOCK = 16384
HISTORY = 20


class LogisticProbe:
    """Minimizes mean cross-entropy + |weights|^2 / (2 C N) by L-BFGS on features scaled to zero mean and unit variance.

    Equal to scikit-learn's `LogisticRegression(C=regularization_c)` on standardized features; the bias is not penalized. Features
    are read in blocks, so a memory-mapped gallery can have any size.

    Args:
        regularization_c: C, weight of the errors against the penalty.
        iterations: largest number of L-BFGS iterations.
        tolerance: L-BFGS stops when no component of the gradient is larger.

    Raises:
        InputError: a value out of range.
    """

    def __init__(self, *, regularization_c: float, iterations: int, tolerance: float) -> None:
        self.regularization_c, self.iterations, self.tolerance = regularization_c, iterations, tolerance
        if regularization_c <= 0 or iterations < 1:
            raise InputError(
                expected="regularization_c above 0 and iterations of 1 or more",
                got=f"regularization_c={regularization_c}, iterations={iterations}",
                hint="Set regularization_c=1.0 iterations=200.",
            )

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """`logistic_top1`, `logistic_top5`, `logistic_mean_class` in percent; empty without queries."""
        scores = self.scores(gallery=gallery, query=query)
        return {} if scores is None else scores.metrics()

    def scores(self, *, gallery: FeatureTable, query: FeatureTable | None) -> QueryScores | None:
        """Scores of each query.

        Raises:
            InputError: an empty or unlabeled table, or a gallery of a single class.
        """
        if query is None:
            return None
        label_Q = query_labels(gallery=gallery, query=query)
        refuse_single_class(gallery)
        class_C, place_N = torch.unique(gallery.label, return_inverse=True)
        weight_CF, bias_C = self.fit(gallery.features, place_N)
        decision_QC = torch.cat([part.double() @ weight_CF.T + bias_C for part in query.features.split(ROWS_PER_BLOCK)])
        return linear_scores(name="logistic", decision_QC=decision_QC, class_C=class_C, label_Q=label_Q)

    def fit(self, features_NF: Tensor, place_N: Tensor) -> tuple[Tensor, Tensor]:
        """Weights `[C, F]` and bias `[C]`, float64, for unscaled features.

        Args:
            place_N: index of the class of each row, 0 to C - 1.
        """
        mean_F, scale_F = moments(features_NF)
        classes, width = int(place_N.max()) + 1, features_NF.shape[1]
        weight = torch.zeros(classes, width + 1, dtype=torch.float64, requires_grad=True)  # the last column is the bias
        solver = torch.optim.LBFGS(
            [weight],
            max_iter=self.iterations,
            history_size=HISTORY,
            tolerance_grad=self.tolerance,
            tolerance_change=1e-12,
            line_search_fn="strong_wolfe",
        )

        def loss() -> Tensor:
            stop_if_requested()
            solver.zero_grad()
            total = (weight[:, :-1] ** 2).sum() / (2 * self.regularization_c * len(features_NF))
            total.backward()
            for part_BF, place_B in zip(features_NF.split(ROWS_PER_BLOCK), place_N.split(ROWS_PER_BLOCK), strict=True):
                logits_BC = ((part_BF.double() - mean_F) / scale_F) @ weight[:, :-1].T + weight[:, -1]
                share = torch.nn.functional.cross_entropy(logits_BC, place_B, reduction="sum") / len(features_NF)
                share.backward()
                total = total.detach() + share.detach()
            return total

        with torch.enable_grad():
            solver.step(loss)
        weight_CF = weight.detach()[:, :-1] / scale_F
        return weight_CF, weight.detach()[:, -1] - weight_CF @ mean_F


def moments(features_NF: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `[F]` over the rows, float64; a constant feature has deviation 1."""
    mean_F = sum(part.double().sum(dim=0) for part in features_NF.split(ROWS_PER_BLOCK)) / len(features_NF)
    squares = [((part.double() - mean_F) ** 2).sum(dim=0) for part in features_NF.split(ROWS_PER_BLOCK)]
    scale_F = (sum(squares) / len(features_NF)).sqrt()
    return torch.as_tensor(mean_F), torch.where(scale_F > 1e-12, scale_F, torch.ones_like(scale_F))
