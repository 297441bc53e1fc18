from __future__ import annotations

import logging
import math

import pytest
import torch
from tests.unit.callback.stage import trainer

from vclr_pl.callback.collapse_monitor import CollapseMonitor
from vclr_pl.types import InputError


def monitor() -> CollapseMonitor:
    return CollapseMonitor(every_n_steps=1, minimum_gap=0.05, grace_steps=10)


def reading(positive: float, others: float) -> dict[str, float]:
    term = "train/segment_contrast"
    return {f"{term}_positive_similarity": positive, f"{term}_batch_similarity": others, f"{term}_queue_similarity": 0.1}


def test_a_vanished_gap_is_told_once(caplog):
    alarm = monitor()
    with caplog.at_level(logging.WARNING):
        for step in range(8, 30):
            alarm.observe(reading(0.97, 0.96), step=step)
    assert len(caplog.records) == 1
    assert "segment_contrast at step 11: positives are 0.970 alike, the batch's other videos 0.960, the queue 0.100" in caplog.text


def test_a_healthy_gap_and_single_batches_are_not(caplog):
    alarm = monitor()
    for step in range(11, 40):
        alarm.observe(reading(0.9, 0.88 if step % 5 == 0 else 0.4), step=step)
    assert caplog.records == []
    assert alarm.gaps["train/segment_contrast"] == pytest.approx(0.4, abs=0.11)


def test_the_gap_survives_a_resume():
    alarm, resumed = monitor(), monitor()
    alarm.observe(reading(0.97, 0.96), step=11)
    resumed.load_state_dict(alarm.state_dict())
    assert (resumed.gaps, resumed.warned) == (alarm.gaps, alarm.warned)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(value):
    metrics = {"train/loss": torch.tensor(value), "train/loss_inter_frame": torch.tensor(1.0)}
    with pytest.raises(InputError, match=r"train/loss=(nan|inf) at step 7"):
        monitor().on_train_batch_end(trainer(global_step=7, callback_metrics=metrics), None, None, None, 6)


def test_another_ranks_loss_ends_it_too():
    """All ranks stop together, or the others would wait for ever."""
    stage = trainer(global_step=7)
    stage.strategy.reduce_boolean_decision = lambda decision, all: True
    with pytest.raises(InputError, match="another rank"):
        monitor().on_train_batch_end(stage, None, None, None, 6)


def test_it_looks_this_seldom():
    alarm = CollapseMonitor(every_n_steps=10, minimum_gap=0.05, grace_steps=0)
    for step in (2, 9):
        alarm.on_train_batch_end(trainer(global_step=step, callback_metrics={"train/loss": torch.tensor(math.nan)}), None, None, None, 0)
    with pytest.raises(InputError):
        alarm.on_train_batch_end(trainer(global_step=10, callback_metrics={"train/loss": torch.tensor(math.nan)}), None, None, None, 0)
