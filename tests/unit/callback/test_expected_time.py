"""Steps, pauses and evaluations on a clock that the test moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.callback.stage import trainer

from vclr_pl.callback.encoder_monitor import EncoderMonitor
from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.callback.expected_time import StepClock, evaluations_left, skipped_steps


class Hand:
    """The hand of the clock."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr("vclr_pl.callback.expected_time.time.perf_counter", hand)
    return hand


def test_first_steps_and_pauses_are_not_steps(hand: Hand) -> None:
    """A slow first step of 9 s, then 2 s each of which 0.5 s is waiting, and a pause of 7 s after the third."""
    clock, waited = StepClock(skipped_steps=1), 6.0
    hand.seconds += 9
    clock.step(waited=waited)
    assert (clock.seconds_per_step, clock.is_measured) == (9.0, False)  # all that is known so far
    for step in range(1, 6):
        if step == 3:
            clock.pause()
            hand.seconds += 7
            clock.resume()
        hand.seconds += 2
        waited += 0.5
        clock.step(waited=waited)
    assert clock.is_measured
    assert (clock.seconds_per_step, clock.waiting_share) == (2.0, 0.25)
    # ten steps, two pauses, and three evaluations of 30 s, each within one of the pauses or after them
    assert clock.seconds_left(steps=10, epochs=2, readings=3, reading_seconds=30) == 20 + 14 + 3 * 23
    assert clock.seconds_left(steps=10, epochs=2, readings=3, reading_seconds=0) == 20 + 14


def test_what_workers_prepare_is_skipped() -> None:
    data = SimpleNamespace(workers=4, loader=SimpleNamespace(prefetch_batches=2))
    assert [skipped_steps(data, total=total) for total in (10_000, 50, 5)] == [9, 5, 1]


def test_evaluations_that_are_left() -> None:
    monitor = EncoderMonitor(measure=dict, label_free={}, every_n_epochs=2, precision="32-true", frames_per_pass=8, unlabeled_videos=6)
    final: Any = EncoderEvaluation(
        enabled=True, baseline=True, precision="32-true", frames_per_pass=8, unlabeled_videos=6, measures={"any": dict}
    )
    run = trainer(callbacks=[monitor, final], datamodule=SimpleNamespace(labeled=True), max_epochs=8, current_epoch=3)
    assert evaluations_left(run, epochs=8) == (3, 0.0)  # after 4 and 6 epochs, and at the end
    final.timings_seconds["baseline_evaluation"] = 12.0
    assert evaluations_left(run, epochs=8) == (3, 12.0)
    run.datamodule.labeled = False
    assert evaluations_left(run, epochs=8) == (0, 12.0)
