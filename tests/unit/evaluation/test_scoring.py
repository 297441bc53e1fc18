"""All measures at once: their names, their intervals, and a measure that gives figures alone."""

from __future__ import annotations

import pytest
import torch
from tests.unit.evaluation.tables import drawn_table

from vclr_pl.evaluation.bootstrap import Bootstrap
from vclr_pl.evaluation.linear_probe import LinearProbe
from vclr_pl.evaluation.logistic_probe import LogisticProbe
from vclr_pl.evaluation.nearest_neighbor import NearestNeighbor
from vclr_pl.evaluation.retrieval import Retrieval
from vclr_pl.evaluation.scoring import score
from vclr_pl.types import FeatureTable

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
