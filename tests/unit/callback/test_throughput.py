from __future__ import annotations

import time

import pytest
from tests.unit.callback.stage import Logged, trainer

from vclr_pl.callback.throughput import Throughput


def test_it_counts_all_ranks_videos_and_the_wait(monkeypatch):
    clock = iter([0.0, 100.0, 104.0, 104.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    logged, stage = Logged(), trainer(world_size=2)
    stage.train_dataloader.waiting_seconds = 50.0
    throughput = Throughput(every_n_steps=2)
    throughput.on_train_epoch_start(stage, logged)
    throughput.on_train_batch_end(stage, logged, None, [0] * 8, 0)
    assert logged.values == {}
    stage.train_dataloader.waiting_seconds = 51.0
    throughput.on_train_batch_end(stage, logged, None, [0] * 8, 1)
    assert logged.values == pytest.approx({"train/videos_per_second": 8.0, "train/data_wait_percent": 25.0})
