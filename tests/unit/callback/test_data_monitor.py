from __future__ import annotations

import csv
import logging
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.callback.stage import Logged, trainer

from vclr_pl.callback.data_monitor import BrokenVideoList, Throughput
from vclr_pl.types import BrokenVideo


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


BROKEN = (BrokenVideo("a, b.mp4", "pyav", "no frames"), BrokenVideo("c.mp4", "", "5 frames, 6 needed"))


def run_with(broken, *, first=True):
    return trainer(is_global_zero=first, datamodule=SimpleNamespace(broken_videos=broken))


def test_they_are_written_and_listed(tmp_path, caplog):
    path = tmp_path / "run" / "broken_videos.csv"
    with caplog.at_level(logging.WARNING):
        BrokenVideoList(path=str(path)).on_train_end(run_with(BROKEN), None)
    with path.open() as file:
        assert list(csv.reader(file)) == [
            ["path", "backend", "reason"],
            ["a, b.mp4", "pyav", "no frames"],
            ["c.mp4", "", "5 frames, 6 needed"],
        ]
    assert [record.getMessage() for record in caplog.records][1:] == ["  a, b.mp4 (pyav: no frames)", "  c.mp4 (5 frames, 6 needed)"]


def test_they_are_kept_of_a_run_that_breaks_off(tmp_path):
    path = tmp_path / "broken_videos.csv"
    BrokenVideoList(path=str(path)).on_exception(run_with(BROKEN), None, KeyboardInterrupt())
    assert len(path.read_text().splitlines()) == 3


def test_nothing_broken_is_no_file(tmp_path, caplog):
    callback = BrokenVideoList(path=str(tmp_path / "broken_videos.csv"))
    callback.on_train_end(run_with(()), None)
    callback.on_train_epoch_end(run_with(BROKEN, first=False), None)
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


def test_a_file_name_that_is_no_text_comes_back_from_the_list(tmp_path):
    video = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    video.write_text("no video")
    path = tmp_path / "broken_videos.csv"
    BrokenVideoList(path=str(path)).on_train_end(run_with((BrokenVideo(str(video), "pyav", "no frames"),)), None)
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        listed = Path(list(csv.reader(file))[1][0])
    assert listed.read_text() == "no video"
