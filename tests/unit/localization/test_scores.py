"""Overlap of stretches against a loop.
Recall and precision against loops and against tables made by hand.
Figures by name, evenly spaced proposals, the submission's form, and a user's class scores.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.reference import bmn_loops
from tests.reference.bmn_loops import tiou

from vclr_pl.localization.scores import (
    THRESHOLDS_H,
    Detection,
    LocalizationScoring,
    average_recall,
    evenly_spaced_proposals,
    intersection,
    mean_average_precision,
    overlap_fraction,
    read_class_scores,
    submission,
    temporal_iou,
)
from vclr_pl.types import InputError

FIRST = [[0.0, 1.0], [2.0, 6.0], [3.0, 3.5]]
SECOND = [[0.5, 1.5], [7.0, 9.0], [3.0, 3.5], [-1.0, 10.0]]


def stretches(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_tiou_of_every_pair() -> None:
    found = temporal_iou(first_M2=stretches(FIRST), second_N2=stretches(SECOND))
    expected = [[tiou((a, b), (c, d)) for c, d in SECOND] for a, b in FIRST]
    assert found.tolist() == [pytest.approx(row) for row in expected]
    assert found[2, 2] == 1.0


def test_nothing_in_common_and_nothing_at_all() -> None:
    assert intersection(first_M2=stretches([[0.0, 1.0]]), second_N2=stretches([[1.0, 2.0]])).item() == 0.0
    empty = stretches([[1.0, 1.0]])
    assert temporal_iou(first_M2=empty, second_N2=empty).item() == 0.0


def test_fraction_of_the_first() -> None:
    found = overlap_fraction(first_M2=stretches([[0.0, 4.0]]), second_N2=stretches([[3.0, 10.0], [1.0, 2.0]]))
    assert found.tolist() == [[0.25, 0.25]]


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


TRUTH = {"a": [("jump", 0.0, 5.0)], "b": [("run", 2.0, 4.0)]}
PROPOSALS = {"a": [(0.0, 5.0, 0.9), (5.0, 6.0, 0.1)], "b": [(0.0, 1.0, 0.5), (2.0, 4.0, 0.4)]}


def test_figures_are_in_percent() -> None:
    scoring = LocalizationScoring(classes_per_video=1)
    found = scoring.metrics(truth=TRUTH, proposals=PROPOSALS, class_scores=None)
    assert list(found) == ["ar_1", "ar_5", "ar_10", "ar_100", "auc"]
    assert found["ar_100"] == 100.0
    scores = {"a": {"jump": 0.9, "run": 0.1}, "b": {"jump": 0.6, "run": 0.4}}
    found = scoring.metrics(truth=TRUTH, proposals=PROPOSALS, class_scores=scores)
    assert list(found)[5:] == ["map_50", "map_75", "map_95", "map"]
    assert found["map"] == pytest.approx(50.0)  # b's class is taken for jump, and never found
    both = LocalizationScoring(classes_per_video=2).metrics(truth=TRUTH, proposals=PROPOSALS, class_scores=scores)
    assert both["map_50"] == pytest.approx(75.0)  # of run the second detection, 0.4 x 0.4, is the right one: precision 1/2


def test_detections_multiply() -> None:
    found = LocalizationScoring(classes_per_video=1).detections(PROPOSALS, {"a": {"jump": 0.5, "run": 0.2}})
    assert [(one.video, one.label, one.score) for one in found] == [("a", "jump", 0.45), ("a", "jump", 0.05)]


def test_evenly_spaced_ones_are_a_hundred_and_look_at_nothing() -> None:
    found = evenly_spaced_proposals({"a": 60.0})["a"]
    assert len(found) == len(set(found)) == 100
    assert found[:4] == [(0.0, 60.0, 1.0), (0.0, 30.0, 0.99), (15.0, 45.0, 0.98), (30.0, 60.0, 0.97)]
    assert all(0 <= start < end <= 60.0 + 1e-9 for start, end, _ in found)
    assert min(end - start for start, end, _ in found) == pytest.approx(6.0)


def test_the_submission_is_activitynets() -> None:
    found = submission({"a": [(1.0, 2.0, 0.1), (3.0, 4.0, 0.8)]})
    assert found["results"] == {"a": [{"score": 0.8, "segment": [3.0, 4.0]}, {"score": 0.1, "segment": [1.0, 2.0]}]}
    assert set(found) == {"version", "results", "external_data"}


def test_class_scores_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text('{"a": {"jump": 1, "run": 0.5}}')
    assert read_class_scores(file, known=["jump", "run"]) == {"a": {"jump": 1.0, "run": 0.5}}
    with pytest.raises(InputError, match="video 'a': scores of the 1 known labels; got 'run'"):
        read_class_scores(file, known=["jump"])
    for content in ("[]", '{"a": 3}', '{"a": {"jump": "much"}}', "text"):
        file.write_text(content)
        with pytest.raises(InputError, match="class scores, JSON"):
            read_class_scores(file, known=["jump"])
