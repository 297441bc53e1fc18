"""Recall and precision against loops and against tables made by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tests.reference import bmn_loops

from vclr_pl.downstream.localizer.activitynet_metric import THRESHOLDS_H, Detection, average_recall, mean_average_precision


def drawn(videos: int, proposals: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    generator = np.random.default_rng(0)
    truth, found = {}, {}
    for video in range(videos):
        truth[f"v{video}"] = np.sort(generator.random((1 + video % 3, 2)) * 100, axis=1)
        times = np.sort(generator.random((proposals, 2)) * 100, axis=1)
        found[f"v{video}"] = np.column_stack([times, generator.random(proposals)])
    return truth, found


def test_recall_is_the_loop() -> None:
    truth, found = drawn(6, 100)
    result = average_recall(truth=truth, proposals=found)
    for rank in (1, 5, 10, 100):
        expected = bmn_loops.average_recall(
            {name: [tuple(row) for row in rows] for name, rows in truth.items()},
            {name: rows.tolist() for name, rows in found.items()},
            rank,
        )
        assert result.at(rank) == pytest.approx(expected)
    curve = [result.at(rank) for rank in range(1, 101)]
    assert result.auc == pytest.approx(sum((a + b) / 2 for a, b in itertools.pairwise(curve)))


def test_the_first_proposal_that_fits() -> None:
    """One segment; the proposal ranked third is it: AR@1 0, AR@5 1, and AUC the share of ranks from three on."""
    rows = np.array([[50.0, 60.0, 0.9], [70.0, 80.0, 0.8], [10.0, 20.0, 0.7], *[[90.0, 95.0, 0.1]] * 97])
    result = average_recall(truth={"v": np.array([[10.0, 20.0]])}, proposals={"v": rows})
    assert [result.at(1), result.at(2), result.at(3), result.at(100)] == [0.0, 0.0, 1.0, 1.0]
    assert result.auc == pytest.approx(97.5)


def test_videos_without_proposals_find_nothing() -> None:
    truth, found = drawn(4, 50)
    whole = average_recall(truth={name: truth[name] for name in ("v0", "v1")}, proposals=found)
    found["v0"] = np.zeros((0, 3))
    less = average_recall(truth=truth, proposals=found)
    assert less.at(100) < 1.0
    assert whole.auc > 0
    assert average_recall(truth=truth, proposals={}).auc == 0.0


def test_precision_is_the_loop() -> None:
    generator = np.random.default_rng(2)
    names = ("jump", "run")
    truth = {f"v{video}": [(names[number % 2], *sorted(generator.random(2) * 30)) for number in range(3)] for video in range(5)}
    detections = [
        Detection(video=f"v{generator.integers(6)}", label=names[generator.integers(2)], start_seconds=a, end_seconds=b, score=score)
        for a, b, score in ((*sorted(generator.random(2) * 30), generator.random()) for _ in range(200))
    ]
    found = mean_average_precision(truth=truth, detections=detections)
    for place, threshold in enumerate(THRESHOLDS_H):
        by_class = [
            bmn_loops.average_precision(
                {video: [(start, end) for label, start, end in rows if label == name] for video, rows in truth.items()},
                [(one.video, one.start_seconds, one.end_seconds, one.score) for one in detections if one.label == name],
                float(threshold),
            )
            for name in names
        ]
        assert found[place] == pytest.approx(sum(by_class) / 2)


def test_precision_by_hand() -> None:
    """Three segments of one class. Ranked: right, wrong, right, a second one of what was taken: AP = 1/3 (1 + 2/3 + 0)."""
    truth = {"a": [("jump", 0.0, 10.0), ("jump", 20.0, 30.0)], "b": [("jump", 5.0, 6.0)]}
    detections = [
        Detection("a", "jump", 0.0, 10.0, 0.9),
        Detection("b", "jump", 50.0, 60.0, 0.8),
        Detection("a", "jump", 20.0, 30.0, 0.7),
        Detection("a", "jump", 20.0, 30.0, 0.6),
        Detection("a", "other", 20.0, 30.0, 1.0),
    ]
    found = mean_average_precision(truth=truth, detections=detections)
    assert found.tolist() == pytest.approx([(1 + 2 / 3) / 3] * 10)


def test_no_detections_and_no_classes() -> None:
    assert mean_average_precision(truth={"a": [("jump", 0.0, 1.0)]}, detections=[]).tolist() == [0.0] * 10
    assert mean_average_precision(truth={}, detections=[]).tolist() == [0.0] * 10
