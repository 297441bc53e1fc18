"""How well a recognizer names videos: top-1, top-5, the mean of the classes, and which class is taken for which.

Legend: N videos, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vclr_pl.evaluation.accuracy import query_labels, within_top
from vclr_pl.evaluation.query_scores import QueryScores
from vclr_pl.types import FeatureTable

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
