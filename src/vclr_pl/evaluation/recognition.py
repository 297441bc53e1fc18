"""How well a recognizer names videos: top-1, top-5, the mean of the classes, and which class is taken for which.

Legend: N videos, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vclr_pl.evaluation.accuracy import percent_correct, percent_correct_by_class, query_labels, within_top
from vclr_pl.types import FeatureTable

MORE = 5


@dataclass(frozen=True)
class RecognitionScores:
    """`metrics` in percent by name; `by_class` top-1 in percent by class; `confusion_KK` videos of the row's class named as the column's."""

    metrics: dict[str, float]
    by_class: dict[str, float]
    confusion_KK: Tensor


def recognition_scores(logits: FeatureTable) -> RecognitionScores:
    """Of a table whose features are class logits `[N, K]`; classes without a video do not count in the mean.

    Where there are at most five classes, top-5 says nothing and is left out.

    Raises:
        InputError: a table without rows, a video without a label, or a logit that is no number.
    """
    label_N = query_labels(gallery=logits, query=logits)
    classes = logits.features.shape[1]
    correct_N = within_top(scores_QC=logits.features, label_Q=label_N, classes=1)
    by_class = percent_correct_by_class(correct_N=correct_N, label_N=label_N, class_names=logits.class_names)
    metrics = {"recognition_top1": percent_correct(correct_N)}
    if classes > MORE:
        metrics[f"recognition_top{MORE}"] = percent_correct(within_top(scores_QC=logits.features, label_Q=label_N, classes=MORE))
    metrics["recognition_mean_class"] = sum(by_class.values()) / len(by_class)
    pairs_N = label_N * classes + first_class(logits.features)
    confusion_KK = torch.bincount(pairs_N, minlength=classes * classes).reshape(classes, classes)
    return RecognitionScores(metrics=metrics, by_class=by_class, confusion_KK=confusion_KK)


def first_class(logits_NK: Tensor) -> Tensor:
    """`[N]` the class of the highest logit; of equal ones the lower."""
    return torch.sort(logits_NK, dim=1, descending=True, stable=True).indices[:, 0]
