"""Percentages and the labels that a protocol may ask for.
Figures are means of what each query says.
"""

from __future__ import annotations

import pytest
import torch

from vclr_pl.evaluation.accuracy import QueryScores, percent_correct, percent_correct_by_class, query_labels
from vclr_pl.types import BrokenVideo, FeatureTable, InputError


def table(label: list[int], features: torch.Tensor | None = None, **other: object) -> FeatureTable:
    rows = torch.ones(len(label), 2) if features is None else features
    index = torch.arange(len(label))
    return FeatureTable(features=rows, label=torch.tensor(label), video_index=index, path=tuple(map(str, label)), **other)


def test_share_of_right_answers_in_percent() -> None:
    assert percent_correct(torch.tensor([True, False, True, True])) == 75.0
    assert percent_correct(torch.tensor([False])) == 0.0


def test_by_class_names_the_classes_that_occur_and_numbers_those_without_a_name() -> None:
    correct, label = torch.tensor([True, False, True, True, False]), torch.tensor([2, 2, 0, 0, 5])
    assert percent_correct_by_class(correct_N=correct, label_N=label, class_names=("a", "b", "c")) == {"a": 100.0, "c": 50.0, "5": 0.0}


def test_those_who_ask_are_the_queries_or_the_gallery() -> None:
    assert query_labels(gallery=table([0, 1]), query=table([3])).tolist() == [3]
    assert query_labels(gallery=table([0, 1]), query=None).tolist() == [0, 1]


@pytest.mark.parametrize("role", ["gallery", "query"])
@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (
            table([], torch.empty(0, 2), broken=(BrokenVideo("a.mp4", "pyav", "cut"),)),
            r"{} videos that can be read; got none, 1 failed, the first is 'a.mp4' \(pyav: cut\)",
        ),
        (table([0, -1, -1]), "a label for every {} video; got 2 of 3 without a label"),
        (table([0, 1], torch.tensor([[1.0, float("nan")], [1, 1]])), "finite {} features; got NaN or infinity"),
        (table([0, 1], torch.tensor([[1.0, float("inf")], [1, 1]])), "finite {} features"),
    ],
    ids=["empty", "unlabeled", "nan", "infinite"],
)
def test_a_table_that_cannot_be_scored_is_refused(role: str, bad: FeatureTable, told: str) -> None:
    tables = {"gallery": table([0, 1]), "query": table([0])} | {role: bad}
    with pytest.raises(InputError, match=told.format(role)):
        query_labels(**tables)


def test_leaving_one_out_of_one_is_refused() -> None:
    with pytest.raises(InputError, match="at least two gallery videos"):
        query_labels(gallery=table([0]), query=None)


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
