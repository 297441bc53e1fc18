"""Outcomes of queries: from scores and recalled segments to results.json and back; identities of lists."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch
from tests.unit.localization.test_scores import drawn

from vclr_pl.evaluation.accuracy import QueryScores
from vclr_pl.localization.scores import average_recall
from vclr_pl.report.outcomes import identity_of, of_queries, of_segments, read_outcomes
from vclr_pl.types import FeatureTable

PATHS = ("/data/a/set/test/jump/1.avi", "/data/a/set/test/jump/2.avi", "/data/a/set/test/run/1.avi")


def table(paths: tuple[str, ...] = PATHS, classes: tuple[str, ...] = ("jump", "run")) -> FeatureTable:
    label = torch.tensor([0, 0, 1])
    return FeatureTable(torch.zeros(3, 2), label=label, video_index=torch.arange(3), path=paths, class_names=classes)


def scores(**values: list[float]) -> QueryScores:
    return QueryScores(label=torch.tensor([0, 0, 1]), values={name: torch.tensor(of).double() for name, of in values.items()})


def test_first_places_are_stored_as_a_text_and_read_again() -> None:
    found = of_queries(
        [scores(retrieval_r1=[1, 0, 1], retrieval_r5=[1, 1, 1], retrieval_map=[0.5, 0.1, 1]), scores(knn_top1=[0, 0, 1])],
        queries=table(),
        drawn_by="",
    )
    assert found["values"] == {"retrieval_r1": "101", "knn_top1": "001"}
    read = read_outcomes(json.loads(json.dumps(found)))
    assert read is not None
    assert read.percent("retrieval_r1") == pytest.approx(200 / 3)
    assert read.percent("knn_top1") == pytest.approx(100 / 3)
    assert read.values["retrieval_r1"].tolist() == [1.0, 0.0, 1.0]


def test_no_outcomes_without_such_metrics_and_in_files_of_before() -> None:
    assert of_queries([scores(retrieval_map=[0.5, 0.1, 1])], queries=table(), drawn_by="") == {}
    assert read_outcomes({}) is None


def test_a_list_has_one_identity_on_every_machine() -> None:
    def identity(paths: tuple[str, ...] = PATHS, classes: tuple[str, ...] = ("jump", "run"), drawn_by: str = "") -> str:
        return str(of_queries([scores(knn_top1=[1, 1, 1])], queries=table(paths, classes), drawn_by=drawn_by)["queries"])

    moved = tuple(path.replace("/data/a", "/elsewhere/of mine") for path in PATHS)
    assert identity() == identity(moved) == identity(tuple(path.removeprefix("/data/") for path in PATHS))
    assert len(identity()) == 16
    others = [
        identity((*PATHS[:2], "/data/a/set/test/run/2.avi")),
        identity(PATHS[::-1]),
        identity(classes=("walk", "run")),
        identity(drawn_by="1"),
    ]
    assert len({identity(), *others}) == 5
    assert identity_of([os.fsdecode(b"caf\xe9.mp4")], classes=["0"], drawn_by="")


def test_recall_by_video_gives_the_metrics_of_the_whole_set() -> None:
    truth, found = drawn(23, 100)
    for proposals in (found, {**found, "v3": found["v3"][:0], "v5": found["v5"][:17]}, {}):
        recall = average_recall(truth=truth, proposals=proposals)
        read = read_outcomes(json.loads(json.dumps(of_segments(recall.recalled, weights=recall.segments, drawn_by=""))))
        assert read is not None
        assert read.percent("auc") == pytest.approx(recall.auc, abs=1e-9)
        assert read.percent("ar_100") == pytest.approx(100 * recall.at(100), abs=1e-9)
        assert read.weights.tolist() == [len(segments) for segments in truth.values()]


def test_recall_of_resampled_videos_is_that_of_a_set_of_them() -> None:
    """Exact where every video has 100 proposals, so that the numbers of proposals are the same for any videos."""
    truth, found = drawn(9, 100)
    recall = average_recall(truth=truth, proposals=found)
    names, chosen = list(truth), np.random.default_rng(1).integers(9, size=9)
    copies = {f"{place}": names[video] for place, video in enumerate(chosen)}
    again = average_recall(
        truth={copy: truth[name] for copy, name in copies.items()}, proposals={copy: found[name] for copy, name in copies.items()}
    )
    weights = np.array(list(recall.segments.values()), dtype=float)
    assert again.auc == pytest.approx(100 * recall.recalled["auc"][chosen].sum() / weights[chosen].sum(), abs=1e-9)
    assert again.auc != pytest.approx(recall.auc)
