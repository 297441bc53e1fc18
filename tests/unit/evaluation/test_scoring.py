"""The interval against its formula, against a loop, and its class mean.
All measures at once: their names, their intervals, and a measure that gives figures alone.
Figures of a recognizer against scikit-learn and a loop.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import recall_score, top_k_accuracy_score
from tests.unit.evaluation.tables import drawn_table

from vclr_pl.evaluation import scoring as module
from vclr_pl.evaluation.accuracy import QueryScores
from vclr_pl.evaluation.neighbors import NearestNeighbor, Retrieval
from vclr_pl.evaluation.probes import LinearProbe, LogisticProbe
from vclr_pl.evaluation.scoring import (
    Bootstrap,
    Difference,
    Scores,
    confusion_matrix,
    paired_differences,
    predicted_class,
    recognition_scores,
    score,
)
from vclr_pl.types import FeatureTable, InputError


def scores_of(right: list[int], label: list[int]) -> QueryScores:
    return QueryScores(label=torch.tensor(label), values={"top1": torch.tensor(right).double()}, class_mean="mean_class", of_class="top1")


def test_of_a_share_it_is_the_normal_interval() -> None:
    right = [1] * 300 + [0] * 100
    low, high = Bootstrap(resamples=4000, level_percent=95, seed=0).intervals(scores_of(right, [0] * 400))["top1"]
    half = 100 * 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == (pytest.approx(75 - half, abs=0.4), pytest.approx(75 + half, abs=0.4))


@pytest.mark.parametrize("queries_per_batch", [10**9, 21])  # all resamples at once, and three at a time
def test_equal_to_a_loop_over_resamples(monkeypatch: pytest.MonkeyPatch, queries_per_batch: int) -> None:
    monkeypatch.setattr(module, "WEIGHTS_PER_BLOCK", queries_per_batch)
    right, label = [1, 0, 1, 1, 0, 0, 1], [0, 0, 1, 1, 1, 2, 0]
    intervals = Bootstrap(resamples=50, level_percent=80, seed=3).intervals(scores_of(right, label))
    generator = np.random.default_rng(3)
    batches = [50] if queries_per_batch > 1000 else [3] * 16 + [2]
    drawn = [rows for resamples in batches for rows in generator.integers(0, 7, (resamples, 7)).tolist()]
    tops = [100 * sum(right[row] for row in rows) / 7 for rows in drawn]
    means = []
    for rows in drawn:
        shares = [[right[row] for row in rows if label[row] == one] for one in sorted({label[row] for row in rows})]
        means.append(100 * sum(sum(share) / len(share) for share in shares) / len(shares))
    for name, values in (("top1", tops), ("mean_class", means)):
        assert intervals[name] == pytest.approx(np.quantile(values, [0.1, 0.9]).tolist())


def test_a_paired_difference_is_equal_to_a_loop_and_narrower_than_an_unpaired_one() -> None:
    generator = np.random.default_rng(1)
    label = np.arange(60) % 3
    hard = generator.random(60)  # a query is as hard for both
    first, second = (hard < 0.5).astype(int).tolist(), (hard < 0.6).astype(int).tolist()
    bootstrap = Bootstrap(resamples=200, level_percent=90, seed=5)
    of_both = [Scores(by_query={"knn": scores_of(right, label.tolist())}) for right in (first, second)]
    found = paired_differences(of_both[1], first=of_both[0], bootstrap=bootstrap)
    drawn = list(np.random.default_rng(5).integers(0, 60, (200, 60)))
    top = [100 * (np.mean(np.array(second)[rows]) - np.mean(np.array(first)[rows])) for rows in drawn]
    of_class = []
    for rows in drawn:
        gaps = [np.mean([second[row] - first[row] for row in rows if label[row] == one]) for one in range(3)]
        of_class.append(100 * np.mean(gaps))
    assert found["top1"].points == pytest.approx(100 * (np.mean(second) - np.mean(first)))
    assert [found["top1"].low, found["top1"].high] == pytest.approx(np.quantile(top, [0.05, 0.95]).tolist())
    assert [found["mean_class"].low, found["mean_class"].high] == pytest.approx(np.quantile(of_class, [0.05, 0.95]).tolist())
    alone = bootstrap.intervals(scores_of(second, label.tolist()))["top1"]
    assert found["top1"].high - found["top1"].low < 0.8 * (alone[1] - alone[0])
    assert Difference(1.0, 0.1, 2.0).is_clear
    assert Difference(-1.0, -2.0, -0.1).is_clear
    assert not Difference(1.0, 0.0, 2.0).is_clear
    with pytest.raises(ValueError, match="other queries"):
        scores_of([1], [0]).minus(scores_of([1], [2]))


def test_one_query_has_an_interval_without_width() -> None:
    assert Bootstrap(resamples=99, level_percent=95, seed=1).intervals(scores_of([1], [4])) == {
        "top1": (100.0, 100.0),
        "mean_class": (100.0, 100.0),
    }


def test_the_same_seed_gives_the_same_interval_and_all_right_is_certain() -> None:
    scores = scores_of([1, 0, 1, 0, 1], [0, 0, 1, 1, 1])
    assert Bootstrap(resamples=99, level_percent=95, seed=1).intervals(scores) == Bootstrap(
        resamples=99, level_percent=95, seed=1
    ).intervals(scores)
    assert Bootstrap(resamples=99, level_percent=95, seed=1).intervals(scores_of([1] * 5, [0] * 5))["top1"] == (100.0, 100.0)


@pytest.mark.parametrize(("resamples", "level"), [(1, 95), (10, 0), (10, 100)])
def test_figures_out_of_range_are_refused(resamples: int, level: float) -> None:
    with pytest.raises(InputError, match="resamples"):
        Bootstrap(resamples=resamples, level_percent=level, seed=0)


BOOTSTRAP = Bootstrap(resamples=200, level_percent=95, seed=0)
MEASURES = {
    "retrieval": Retrieval(ranks=[1, 5]),
    "nearest_neighbor": NearestNeighbor(neighbors=5, temperature=0.07),
    "linear_probe": LinearProbe(regularization_c=1.0),
    "logistic_probe": LogisticProbe(regularization_c=1.0, iterations=50, tolerance=1e-5),
}


def test_every_figure_has_an_interval_around_it() -> None:
    gallery, query = drawn_table(videos=120, classes=6), drawn_table(videos=60, classes=6, seed=1)
    found = score(measures=MEASURES, gallery=gallery, query=query, bootstrap=BOOTSTRAP)
    probes = [f"{name}_{figure}" for name in ("knn", "linear", "logistic") for figure in ("top1", "top5", "mean_class")]
    assert list(found.metrics) == ["retrieval_r1", "retrieval_r5", "retrieval_map", *probes]
    assert set(found.intervals) == set(found.metrics)
    assert all(low <= found.metrics[name] <= high for name, (low, high) in found.intervals.items())
    assert set(found.by_class) == {"retrieval_r1", "knn_top1", "linear_top1", "logistic_top1"}


def test_the_figures_are_those_that_training_tells() -> None:
    gallery, query = drawn_table(videos=60, classes=6), drawn_table(videos=30, classes=6, seed=1)
    found = score(measures=MEASURES, gallery=gallery, query=query, bootstrap=BOOTSTRAP).metrics
    for measure in MEASURES.values():
        told = measure(gallery=gallery, query=query)
        assert {name: found[name] for name in told} == pytest.approx(told)


def test_without_queries_probes_stay_away() -> None:
    found = score(measures=MEASURES, gallery=drawn_table(videos=30, classes=3), query=None, bootstrap=BOOTSTRAP)
    assert {name.split("_")[0] for name in found.metrics} == {"retrieval", "knn"}


def test_a_measure_of_a_users_own_needs_a_call_alone() -> None:
    class FeatureLength:
        def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
            return {"length": float(torch.linalg.vector_norm(gallery.features, dim=1).mean())}

    found = score(measures={"mine": FeatureLength()}, gallery=drawn_table(videos=4, classes=2), query=None, bootstrap=BOOTSTRAP)
    assert set(found.metrics) == {"length"}
    assert found.intervals == {}


def table(*, videos=60, classes=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(videos) % (classes - 1)  # the last class has no video
    return FeatureTable(
        features=torch.randn(videos, classes, generator=generator) + torch.nn.functional.one_hot(label, classes),
        label=label,
        video_index=torch.arange(videos),
        path=tuple(f"{number}.mp4" for number in range(videos)),
        class_names=tuple("abcdefgh"[:classes]),
    )


def test_the_figures_are_scikit_learns():
    logits = table()
    scores = recognition_scores(logits)
    label, found = logits.label.numpy(), logits.features.numpy()
    metrics = scores.metrics()
    assert list(metrics) == ["recognition_top1", "recognition_top5", "recognition_mean_class"]
    for name, k in (("recognition_top1", 1), ("recognition_top5", 5)):
        assert metrics[name] == pytest.approx(100 * top_k_accuracy_score(label, found, k=k, labels=np.arange(8)))
    assert metrics["recognition_mean_class"] == pytest.approx(
        100 * recall_score(label, found.argmax(1), labels=np.arange(7), average="macro")
    )
    matrix = confusion_matrix(label_N=logits.label, predicted_N=predicted_class(logits.features), classes=8)
    assert matrix.tolist() == sklearn_confusion(label, found.argmax(1), labels=np.arange(8)).tolist()
    assert set(scores.by_class(logits.class_names)) == set("abcdefg")


def test_few_classes_have_no_top_5():
    assert list(recognition_scores(table(classes=5)).metrics()) == ["recognition_top1", "recognition_mean_class"]


def test_equal_logits_name_the_first_class():
    assert predicted_class(torch.tensor([[1.0, 1.0], [0.0, 2.0], [0.0, 0.0]])).tolist() == [0, 1, 0]


def test_a_diverged_network_is_told():
    logits = table()
    logits.features[3, 2] = float("nan")
    with pytest.raises(InputError, match="finite"):
        recognition_scores(logits)
