"""Figures by name, evenly spaced proposals, the submission's form, and a user's class scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from vclr_pl.downstream.localizer.localization_scores import LocalizationScoring, evenly_spaced, read_class_scores, submission
from vclr_pl.types import InputError

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
    found = evenly_spaced({"a": 60.0})["a"]
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
