from __future__ import annotations

import time

import pytest
from tests.unit.callback.stage import Logged, trainer

from vclr_pl.callback.throughput import Throughput


def test_it_counts_all_ranks_videos_and_the_wait_over_epochs_but_not_between_them(monkeypatch):
    """Steps 1 and 2 in one epoch, 10 s pause, step 3 in the next: two readings of two steps would need four."""
    clock = iter([0.0, 0.0, 100.0, 104.0, 114.0, 118.0, 118.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    logged, stage = Logged(), trainer(world_size=2)
    stage.train_dataloader.waiting_seconds = 0.0
    throughput = Throughput(every_n_steps=3)  # 0 twice
    throughput._paused = 100.0
    throughput.on_train_epoch_start(stage, logged)  # 100: starts at 0 + (100 - 100)
    throughput._started = 100.0
    for step in (1, 2):
        stage.global_step = step
        throughput.on_train_batch_end(stage, logged, None, [0] * 8, step - 1)
    throughput.on_train_epoch_end(stage, logged)  # 104
    throughput.on_train_epoch_start(stage, logged)  # 114
    stage.global_step, stage.train_dataloader.waiting_seconds = 3, 2.0
    assert logged.values == {}
    throughput.on_train_batch_end(stage, logged, None, [0] * 8, 0)  # 118
    assert logged.values == pytest.approx({"train/videos_per_second": 48 / 8, "train/data_wait_percent": 25.0})


def test_batches_that_are_only_accumulated_give_no_reading():
    logged, stage = Logged(), trainer(accumulate_grad_batches=2, global_step=2)
    throughput = Throughput(every_n_steps=2)
    throughput.on_train_batch_end(stage, logged, None, [0] * 8, 4)
    assert logged.values == {}
    throughput.on_train_batch_end(stage, logged, None, [0] * 8, 5)
    assert set(logged.values) == {"train/videos_per_second", "train/data_wait_percent"}


def test_a_loader_that_counts_no_wait_has_none():
    logged, stage = Logged(), trainer(global_step=1)
    stage.train_dataloader = object()
    Throughput(every_n_steps=1).on_train_batch_end(stage, logged, None, [0] * 8, 0)
    assert set(logged.values) == {"train/videos_per_second"}
