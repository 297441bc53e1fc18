from __future__ import annotations

import logging
import math

import pytest
import torch
from tests.unit.callback.stage import trainer

from vclr_pl.callback.monitor import CollapseMonitor
from vclr_pl.op.collective import rank
from vclr_pl.types import InputError


def monitor() -> CollapseMonitor:
    return CollapseMonitor(every_n_steps=1, minimum_gap=0.05, minimum_times_chance=2.0, grace_steps=10)


def reading(positive: float, others: float, accuracy: float = 4.0) -> dict[str, float]:
    """Of 32 videos, of which a guess finds its own in 3.1 of 100 cases."""
    similarity = {"positive": positive, "batch": others, "queue": 0.1}
    values = {f"train/segment_contrast_{of}_similarity": value for of, value in similarity.items()}
    return values | {"train/segment_contrast_batch_accuracy": accuracy}


def test_a_vanished_gap_is_told_once(caplog):
    alarm = monitor()
    with caplog.at_level(logging.WARNING):
        for step in range(8, 30):
            alarm.observe(reading(0.97, 0.96), step=step, videos=32)
    assert len(caplog.records) == 1
    assert "segment_contrast at step 11: similarity of positives 0.970, of other videos 0.960" in caplog.text
    assert "the queue 0.100, top-1 within the batch 4.0%" in caplog.text
    assert "lower optimizer.lr, or shorten the queues." in caplog.text


def test_a_term_without_a_queue_is_told_without_it(caplog):
    alarm, values = monitor(), reading(0.97, 0.96)
    del values["train/segment_contrast_queue_similarity"]
    alarm.observe(values, step=11, videos=32)
    assert "of other videos 0.960, top-1 within the batch 4.0%" in caplog.text
    assert "queue" not in caplog.text
    assert alarm.collapsed_terms() == ["train/segment_contrast"]


def test_a_healthy_gap_and_single_batches_are_not(caplog):
    alarm = monitor()
    for step in range(11, 40):
        alarm.observe(reading(0.9, 0.88 if step % 5 == 0 else 0.4), step=step, videos=32)
    assert caplog.records == []
    assert alarm.gaps["train/segment_contrast"] == pytest.approx(0.4, abs=0.11)


def test_crowded_features_that_still_name_their_video_are_not(caplog):
    alarm = monitor()
    for step in range(11, 40):
        alarm.observe(reading(0.86, 0.82, accuracy=16.0), step=step, videos=32)
    assert caplog.records == []


def test_the_gap_survives_a_resume():
    alarm, resumed = monitor(), monitor()
    alarm.observe(reading(0.97, 0.96), step=11, videos=32)
    resumed.load_state_dict(alarm.state_dict())
    assert (resumed.gaps, resumed.times_chance, resumed.warned) == (alarm.gaps, alarm.times_chance, alarm.warned)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(value):
    metrics = {"train/loss": torch.tensor(value), "train/loss_inter_frame": torch.tensor(1.0)}
    with pytest.raises(InputError, match=r"train/loss=(nan|inf) at step 7"):
        monitor().on_train_batch_end(trainer(global_step=7, callback_metrics=metrics), None, None, None, 6)


def broken_on_one_rank():
    """What this rank's monitor says when the loss of rank 1 is not finite."""
    metrics = {"train/loss": torch.tensor(math.nan if rank() else 1.0)}
    with pytest.raises(InputError) as error:
        monitor().on_train_batch_end(trainer(global_step=7, world_size=2, callback_metrics=metrics), None, None, None, 6)
    return str(error.value)


def test_another_ranks_loss_ends_it_too(two_processes):
    """All ranks stop together, or the others would wait for ever."""
    first, second = two_processes(broken_on_one_rank)
    assert "another rank" in first
    assert "train/loss=nan" in second


def test_it_looks_this_seldom():
    alarm = CollapseMonitor(every_n_steps=10, minimum_gap=0.05, minimum_times_chance=2.0, grace_steps=0)
    for step in (2, 9):
        alarm.on_train_batch_end(trainer(global_step=step, callback_metrics={"train/loss": torch.tensor(math.nan)}), None, None, None, 0)
    with pytest.raises(InputError):
        alarm.on_train_batch_end(trainer(global_step=10, callback_metrics={"train/loss": torch.tensor(math.nan)}), None, None, None, 0)
