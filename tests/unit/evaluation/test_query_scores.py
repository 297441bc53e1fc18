"""Figures are means of what each query says."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.evaluation.query_scores import QueryScores

SCORES = QueryScores(
    label=torch.tensor([0, 0, 0, 2]),
    values={"top1": torch.tensor([1.0, 0.0, 0.0, 1.0]), "top5": torch.tensor([1.0, 1.0, 0.0, 1.0])},
    class_mean="mean_class",
    of_class="top1",
)


def test_means_over_queries_and_over_classes() -> None:
    assert SCORES.metrics() == {"top1": 50.0, "top5": 75.0, "mean_class": pytest.approx((100 / 3 + 100) / 2)}


def test_by_class_name() -> None:
    assert SCORES.by_class(["a", "b"]) == {"a": pytest.approx(100 / 3), "2": 100.0}
    assert QueryScores(label=SCORES.label, values=SCORES.values).by_class(["a"]) == {}


def test_weights_count_queries_several_times() -> None:
    sums, counts = SCORES.class_sums(torch.tensor([[2.0, 1.0, 0.0, 3.0]]).double())
    assert (sums.tolist(), counts.tolist()) == ([[2.0, 3.0]], [[3.0, 3.0]])
