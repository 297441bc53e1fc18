"""The verdict on a run, and the lines of its summary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vclr_pl.report.run_summary import (
    COLLAPSING,
    LEARNING,
    NOT_LEARNING,
    SAME,
    TOO_SHORT,
    WORSE,
    Evidence,
    Term,
    advice_on_start,
    longer_epochs,
    summary_lines,
    verdict,
)


def evidence(**changed: Any) -> Evidence:
    return Evidence(**{"steps": 1000, "grace_steps": 500, "batch": 32, **changed})


def accuracy(first: float, last: float) -> dict[str, Term]:
    return {"inter_frame": Term(loss=1.0, first_accuracy=first, last_accuracy=last)}


def retrieval(before: float, after: float, queries: int = 150) -> dict[str, Any]:
    return {"baseline": {"retrieval_r1": before}, "metrics": {"retrieval_r1": after}, "queries": queries}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (retrieval(33.3, 90.7), LEARNING),
        (retrieval(33.3, 40.0), NOT_LEARNING),  # two standard errors of a difference are 11.1 points
        ({**retrieval(33.3, 40.0), "steps": 36}, TOO_SHORT),
        ({**retrieval(33.3, 60.0), "steps": 36}, LEARNING),
        ({**retrieval(33.3, 90.7), "collapsed": ["inter_frame"]}, COLLAPSING),
        ({**retrieval(33.3, 40.0), "collapsed": ["inter_frame"], "steps": 500}, TOO_SHORT),
        ({**retrieval(33.3, 40.0), "rank": {"inter": 1.9}}, COLLAPSING),
        ({"terms": accuracy(20.0, 60.0)}, LEARNING),
        ({"terms": accuracy(20.0, 60.0), "steps": 36}, LEARNING),
        ({"terms": accuracy(20.0, 24.0)}, NOT_LEARNING),
        ({"terms": accuracy(20.0, 24.0), "steps": 36}, TOO_SHORT),
        ({**retrieval(33.3, 34.0), "terms": accuracy(20.0, 60.0)}, NOT_LEARNING),  # labels decide where there are any
        ({}, NOT_LEARNING),
    ],
)
def test_the_verdict(changed: dict[str, Any], word: str) -> None:
    assert verdict(evidence(**changed)).word == word


def copies(before: float, after: float, **more: Any) -> dict[str, Any]:
    return {"baseline": {"copy_top1": before, **more}, "metrics": {"copy_top1": after, **more}, "copied": 48}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({**retrieval(96.0, 85.3), "baseline_name": "start: a"}, WORSE),
        ({**retrieval(96.0, 92.0), "baseline_name": "start: a"}, SAME),  # two standard errors are 5.5 points
        ({**copies(82.0, 49.0), "baseline_name": "start: a"}, WORSE),
        ({**copies(82.0, 70.0), "baseline_name": "start: a"}, SAME),  # two standard errors are 17.2 points
        ({**copies(49.0, 82.0), "baseline_name": "start: a"}, LEARNING),
        ({**copies(82.0, 49.0), "terms": accuracy(20.0, 60.0), "baseline_name": "start: a"}, WORSE),
        ({**copies(82.0, 75.0), "terms": accuracy(20.0, 60.0), "baseline_name": "start: a"}, SAME),
        ({**copies(82.0, 49.0), "terms": accuracy(20.0, 60.0)}, LEARNING),  # a random start is no encoder to keep
        ({**copies(82.0, 82.0, rank_me=1.0), "baseline_name": "start: a"}, SAME),
        ({**retrieval(90.0, 20.0), "collapsed": ["inter_frame"], "steps": 600, "baseline_name": "start: a"}, WORSE),
        ({"baseline": {"linear_top1": 90.0}, "metrics": {"linear_top1": 20.0}, "queries": 150, "baseline_name": "start: a"}, WORSE),
    ],
)
def test_loaded_weights_can_be_better_than_what_training_makes_of_them(changed: dict[str, Any], word: str) -> None:
    assert verdict(evidence(**changed)).word == word


def test_the_lines_of_a_run_that_starts_from_weights() -> None:
    found = evidence(**copies(82.0, 49.0, rank_me=30.0), baseline_name="start: ImageNet weights")
    assert summary_lines(found, cost="training took 0:06", commands=[])[:2] == [
        "verdict: worse than its start (made copies found 49.0, 82.0 at the start: ImageNet weights)",
        "start: ImageNet weights, and after training: made copies top-1 82.0 and 49.0, RankMe (dimensions) 30.0 and 30.0",
    ]
    assert advice_on_start(encoder="encoder=timm:a", exported=True, folder="runs/b") == [
        "the start is better than what training made of it: use the start, encoder=timm:a",
        "runs/b/backbone.safetensors is the start; the checkpoints in runs/b/checkpoints are of the trained encoder",
        "or train again with a lower optimizer.lr",
    ]
    assert len(advice_on_start(encoder="encoder=timm:a", exported=False, folder="runs/b")) == 2


def test_the_standard_error_is_of_a_difference_of_two_shares() -> None:
    """150 queries, 33.3 and 40.0 percent: sqrt(.333 .667 / 150 + .4 .6 / 150) = 0.0555."""
    assert "two standard errors (11.1)" in verdict(evidence(**retrieval(33.3, 40.0))).reason


@pytest.mark.parametrize(
    ("epochs", "steps_per_epoch", "expected"),
    [(12, 6, 84), (72, 6, 144), (12, 50, 24), (1, 100, 6), (1, 501, 2), (3, 0, 501)],
)
def test_a_longer_run_ends_the_grace_steps(epochs: int, steps_per_epoch: int, expected: int) -> None:
    assert longer_epochs(epochs=epochs, steps_per_epoch=steps_per_epoch, grace_steps=500) == expected
    if steps_per_epoch:
        assert verdict(evidence(steps=expected * steps_per_epoch)).word == (NOT_LEARNING if expected * steps_per_epoch > 500 else TOO_SHORT)


def test_the_lines() -> None:
    terms = {
        "inter_frame": replace(accuracy(10.0, 61.0)["inter_frame"], loss=6.61, guess=6.65, positive_similarity=0.86, batch_similarity=0.84),
        "mine": Term(loss=2.0),
    }
    shown = summary_lines(evidence(terms=terms, rank={"inter": 41.94}), cost="training took 0:06", commands=["python -m a", "python -m b"])
    assert shown == [
        "verdict: learning (inter_frame finds a video's own key in the batch in 61% of the cases, 10% at the start, chance 3%)",
        "losses: inter_frame 6.61 (a random guess: 6.65), mine 2.00",
        "similarity of positives, and of other videos: inter_frame 0.86 and 0.84",
        "RankMe (dimensions in use) of the keys: inter 41.9",
        "training took 0:06",
        "next:",
        "  python -m a",
        "  python -m b",
    ]
