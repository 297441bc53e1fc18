"""Means and paired differences of methods on tasks; what is refused and what is left out."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.report.miniature_ablation import cells, drawn, record

from vclr_pl.report.ablation import Cell, ablation
from vclr_pl.report.record import ResultRecord
from vclr_pl.types import InputError


def test_means_and_differences_over_seeds() -> None:
    found = ablation(cells(), reference="VCLR", resamples=500)
    assert (found.tasks, found.methods, found.metrics) == (["order", "shape"], ["VCLR", "SeCo", "third"], ["retrieval_r1"])
    own = {
        cell.method: [of.record.metrics["retrieval_r1"] for of in cells() if (of.task, of.method) == ("shape", cell.method)]
        for cell in found.cells
    }
    seco, third, reference = (found.of("shape", name, "") for name in ("SeCo", "third", "VCLR"))
    assert seco is not None
    assert third is not None
    assert reference is not None
    assert seco.means["retrieval_r1"].value == pytest.approx(np.mean(own["SeCo"]))
    assert seco.differences["retrieval_r1"].value == pytest.approx(np.mean(own["SeCo"]) - np.mean(own["VCLR"]))
    assert (third.seeds, third.paired_seeds, third.queries) == (("0", "1"), ("0", "1"), 40)
    assert third.differences["retrieval_r1"].value == pytest.approx(np.mean(own["third"]) - np.mean(own["VCLR"][:2]))
    assert seco.differences["retrieval_r1"].is_clear
    assert third.differences["retrieval_r1"].is_clear
    assert reference.differences == {}
    assert found.of("order", "third", "") is None
    order = found.of("order", "SeCo", "")
    assert order is not None
    assert not order.differences["retrieval_r1"].is_clear
    for cell in found.cells:
        for of in (*cell.means.values(), *cell.differences.values()):
            assert of.low is not None
            assert of.high is not None
            assert of.low < of.value < of.high


def test_the_interval_is_that_of_a_loop_over_resamples() -> None:
    """Python's own generator and lists; the ends agree within the error of 4,000 draws."""
    given = [of for of in cells() if of.task == "shape"]
    found = ablation(given, reference="VCLR", resamples=4000).of("shape", "SeCo", "")
    assert found is not None
    right = {(of.method, of.seed): [int(letter) for letter in of.record.outcomes["values"]["retrieval_r1"]] for of in given}
    draw, means = random.Random(1), []
    deviations = [sum(right["SeCo", seed]) / 40 - sum(right["VCLR", seed]) / 40 for seed in range(3)]
    deviations = [of - sum(deviations) / 3 for of in deviations]
    for _ in range(4000):
        total = 0.0
        for seed in draw.choices(range(3), k=3):
            queries = draw.choices(range(40), k=40)
            total += sum(right["SeCo", seed][query] - right["VCLR", seed][query] for query in queries) / 40 / 3
            total += (1.5**0.5 - 1) * deviations[seed] / 3
        means.append(100 * total)
    expected = sorted(means)[99], sorted(means)[3899]
    assert (found.differences["retrieval_r1"].low, found.differences["retrieval_r1"].high) == pytest.approx(expected, abs=1.5)


def test_equal_methods_differ_by_nothing_with_certainty() -> None:
    """Paired: both have the same draws, so that two methods that answer alike have an interval of no width."""
    same = [Cell(task="t", method=method, seed=seed, record=record(drawn(50, seed=seed))) for method in "ab" for seed in range(3)]
    found = ablation(same, reference="a", resamples=100).of("t", "b", "")
    assert found is not None
    difference = found.differences["retrieval_r1"]
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_the_same_queries_of_all_seeds_widen_the_interval() -> None:
    """What is hard for one seed is hard for all: the mean over seeds does not average the draw of the queries."""
    right = [drawn(50, seed=1)] * 4

    def width(*queries: str) -> float:
        own = [
            Cell(task="t", method="a", seed=seed, record=record(text, queries=name))
            for seed, (text, name) in enumerate(zip(right, queries, strict=True))
        ]
        mean = ablation(own, reference="a").cells[0].means["retrieval_r1"]
        assert mean.low is not None
        assert mean.high is not None
        return mean.high - mean.low

    assert width("a", "a", "a", "a") == pytest.approx(2 * width("a", "b", "c", "d"), rel=0.1)


def test_one_seed_has_an_interval_over_its_videos() -> None:
    given = [of for of in cells() if of.seed == 0]
    found = ablation(given, reference="VCLR")
    assert found.most_seeds == 1
    assert found.cells[0].means["retrieval_r1"].low is not None


def test_intervals_of_means_end_at_0_and_100_percent() -> None:
    """All videos of two seeds are right, and few of the third."""
    texts = ("1" * 40, "1" * 40, "1" * 8 + "0" * 32)
    given = [Cell(task="t", method="a", seed=seed, record=record(text, queries=str(seed))) for seed, text in enumerate(texts)]
    given += [
        replace(
            cell,
            method="b",
            record=record(str(cell.record.outcomes["values"]["retrieval_r1"]).translate({48: 49, 49: 48}), queries=str(cell.seed)),
        )
        for cell in given
    ]
    found = ablation(given, reference="a")
    ends = [(of.low, of.high) for of in (cell.means["retrieval_r1"] for cell in found.cells)]
    assert (ends[0][1], ends[1][0]) == (100.0, 0.0)
    difference = found.cells[1].differences["retrieval_r1"]
    assert difference.low == -100.0
    assert found.cells[0].differences == {}


def test_chance_is_the_mean_over_the_seeds() -> None:
    """For metrics that all seeds have; baselines of localization likewise."""
    chances = ({"retrieval_r1": 20.0, "knn_top1": 10.0}, {"retrieval_r1": 30.0})
    given = [Cell(task="t", method="a", seed=seed, record=record("01", chance=chance)) for seed, chance in enumerate(chances)]
    assert ablation(given, reference="a", resamples=10).cells[0].chance == {"retrieval_r1": 25.0}
    baselines = [replace(record(""), chance={}, baseline={"auc": auc}, baseline_name="evenly spaced proposals") for auc in (10.0, 16.0)]
    given = [Cell(task="t", method="a", seed=seed, record=of) for seed, of in enumerate(baselines)]
    (cell,) = ablation(given, reference="a", resamples=10).cells
    assert (cell.chance, cell.chance_name) == ({"auc": 13.0}, "evenly spaced proposals")


def test_pairs_of_other_queries_and_cells_given_twice_are_refused() -> None:
    own = Cell(task="t", method="a", seed=0, record=record("1100", queries="list a"))
    with pytest.raises(InputError, match="the queries of method a in task t, method b, seed 0; got other queries"):
        ablation([own, replace(own, method="b", record=record("1100", queries="list b"))], reference="a")
    with pytest.raises(InputError, match="one result for each task, method, pooling and seed; got two of task t, method a, seed 0"):
        ablation([own, replace(own, seed="0")], reference="a")
    with pytest.raises(InputError, match="a method of a; got 'c'"):
        ablation([own], reference="c")


def test_results_without_outcomes_have_values_and_no_intervals() -> None:
    given = [
        Cell(task="t", method=method, seed=0, record=replace(record(text), outcomes={})) for method, text in (("a", "1000"), ("b", "1100"))
    ]
    found = ablation(given, reference="a").of("t", "b", "")
    assert found is not None
    assert (found.differences["retrieval_r1"].value, found.differences["retrieval_r1"].low) == (25.0, None)
    assert not found.differences["retrieval_r1"].is_clear


def test_poolings_have_references_of_their_own() -> None:
    texts = {("a", "mean"): "1000", ("a", "segments"): "1110", ("b", "mean"): "1100", ("b", "segments"): "1110"}
    given = [Cell(task="t", method=method, seed=0, pooling=pooling, record=record(text)) for (method, pooling), text in texts.items()]
    found = ablation(given, reference="a")
    points = [found.of("t", "b", pooling).differences["retrieval_r1"].value for pooling in found.poolings]  # type: ignore[union-attr]
    assert points == [25.0, 0.0]


def test_localization_is_weighted_by_true_segments() -> None:
    """AUC: recalled segments over all segments of the drawn videos; its baseline is in place of chance."""

    def localized(recalled: str) -> ResultRecord:
        outcomes = {"queries": "l", "weights": "1 4 2", "values": {"auc": recalled}}
        auc = 100 * sum(map(float, recalled.split())) / 7
        return ResultRecord(
            "l", {"auc": auc, "map": 1.0}, {"auc": 20.0}, {}, {}, outcomes=outcomes, baseline_name="evenly spaced proposals"
        )

    given = [Cell(task="t", method=name, seed=0, record=localized(text)) for name, text in (("a", "0.5 3 1"), ("b", "1 3.5 2"))]
    found = ablation(given, reference="a").of("t", "b", "")
    assert found is not None
    assert found.differences["auc"].value == pytest.approx(100 * 2 / 7)
    assert found.differences["auc"].low == pytest.approx(12.5)  # of the second video alone
    assert found.differences["auc"].high == pytest.approx(50.0)
    assert found.differences["map"].low is None
    assert (found.chance, found.chance_name) == ({"auc": 20.0}, "evenly spaced proposals")
