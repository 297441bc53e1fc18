"""Shares of right answers, in percent.

Legend: N videos.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vclr_pl.types import FeatureTable, InputError, nothing_readable


def percent_correct(correct_N: Tensor) -> float:
    """Share of True in `correct_N` bool, 0 to 100."""
    return 100.0 * int(correct_N.sum()) / len(correct_N)


def percent_correct_by_class(*, correct_N: Tensor, label_N: Tensor, class_names: Sequence[str]) -> dict[str, float]:
    """The same within each class that has a video; a class without a name bears its number."""
    return {
        class_names[label] if label < len(class_names) else str(label): percent_correct(correct_N[label_N == label])
        for label in torch.unique(label_N).tolist()
    }


def within_top(*, scores_QC: Tensor, label_Q: Tensor, classes: int) -> Tensor:
    """`[Q]` bool: the label is among the `classes` highest scores; of equal scores the lower class stands first."""
    first = torch.sort(scores_QC, dim=1, descending=True, stable=True).indices[:, :classes]
    return (first == label_Q[:, None]).any(dim=1)


def query_labels(*, gallery: FeatureTable, query: FeatureTable | None) -> Tensor:
    """`[Q]` labels of those who ask: the queries, or without any the gallery itself (leave-one-out).

    Raises:
        InputError: a table without rows, a row without a label, a feature that is no number, or one gallery video left alone.
    """
    _check(gallery, "gallery")
    if query is None and len(gallery) < 2:
        raise InputError(expected="at least two gallery videos to leave one out", got="one", remedy="Give more videos, or queries.")
    if query is not None:
        _check(query, "query")
    return gallery.label if query is None else query.label


def _check(table: FeatureTable, role: str) -> None:
    if len(table) == 0:
        raise nothing_readable(f"{role} videos", table.broken)
    unlabeled = int((table.label < 0).sum())
    if unlabeled:
        raise InputError(
            expected=f"a label for every {role} video",
            got=f"{unlabeled} of {len(table)} without one",
            remedy="Switch the label-based evaluation off, or give labels.",
        )
    if not bool(torch.isfinite(table.features).all()):
        raise InputError(
            expected=f"finite {role} features",
            got="NaN or infinity",
            remedy="The network has diverged: lower optimizer.lr, or use trainer.precision=32-true.",
        )
