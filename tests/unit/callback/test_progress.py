"""The rows pass unchanged; what is shown counts them.
Lines where the output is no terminal, counted in videos.
"""

from __future__ import annotations

import logging
import re
from types import SimpleNamespace
from typing import Any

import pytest
import rich
import torch
from rich.console import Console
from tests.unit.callback.stage import trainer

from vclr_pl.callback.progress import RunProgress, VideoProgress, figures_line, is_due, steps_left, watched

METRICS = {
    "train/loss": 3.0,
    "train/loss_inter_frame": 2.0,
    "train/loss_temporal_order": 1.0,
    "train/lr": 0.02,
    "train/videos_per_second": 380.4,
    "train/data_wait_percent": 12.0,
    "train/feature_spread": 0.5,
}


def running(**changes):
    metrics = {name: torch.tensor(value) for name, value in METRICS.items()}
    return trainer(callback_metrics=metrics, datamodule=SimpleNamespace(broken_videos=(1, 2)), **changes)


def test_the_line_has_total_terms_rate_speed_wait_and_broken():
    assert figures_line(running()) == (
        "loss 3.000  inter_frame 2.000  temporal_order 1.000  lr 2.00e-02  videos/s 380  waiting for data 12%  broken 2"
    )


def test_the_line_has_the_gap_of_each_contrast():
    metrics = {"train/a_positive_similarity": torch.tensor(0.86), "train/a_batch_similarity": torch.tensor(0.8199)}
    assert figures_line(trainer(callback_metrics=metrics, datamodule=SimpleNamespace())) == "gap a 0.04  broken 0"


def test_the_line_of_a_recognizer():
    values = {"train/loss": 1.5, "train/top1": 62.5, "train/lr": 0.01, "val/top1": 48.21}
    metrics = {name: torch.tensor(value) for name, value in values.items()}
    found = figures_line(trainer(callback_metrics=metrics, datamodule=SimpleNamespace(broken_videos=())))
    assert found == "loss 1.500  top-1 62%  lr 1.00e-02  test top-1 48.2  broken 0"


@pytest.mark.parametrize(
    ("changes", "batch_idx", "left"),
    [
        ({}, 0, 9),
        ({"current_epoch": 1}, 4, 0),
        ({"current_epoch": 1, "global_step": 21}, 0, 4),  # after twenty steps of an epoch with smaller batches
        ({"accumulate_grad_batches": 2}, 0, 5),
        ({"accumulate_grad_batches": 2}, 2, 4),
        ({"max_steps": 3, "global_step": 1}, 0, 2),
        ({"max_steps": 7, "global_step": 1, "max_epochs": -1}, 0, 6),
    ],
)
def test_the_steps_that_are_left(changes, batch_idx, left):
    assert steps_left(running(**changes), batch_idx=batch_idx) == left


def test_lines_come_seldom():
    assert [step for step in range(1, 101) if is_due(step=step, total=100, lines=4, first=1)] == [1, 25, 50, 75, 100]


@pytest.mark.parametrize("rank_zero", [True, False])
def test_without_a_terminal_it_logs_lines(rank_zero, caplog):
    caplog.set_level(logging.INFO)
    progress = RunProgress(every_n_steps=1, lines_without_terminal=2)
    stage = running(is_global_zero=rank_zero)
    progress.on_train_start(stage, None)
    for step in range(1, 11):
        stage.global_step, stage.current_epoch = step, (step - 1) // 5
        progress.on_train_batch_end(stage, None, None, None, (step - 1) % 5)
    progress.on_train_end(stage, None)
    assert [line.split()[1] for line in caplog.messages if line.startswith("step")] == (["1/10", "5/10", "10/10"] if rank_zero else [])
    assert not any(getattr(record, "file_only", False) for record in caplog.records)


@pytest.mark.parametrize("rank_zero", [True, False])
def test_the_expected_time_is_told_once_and_the_lines_revise_it(rank_zero, caplog, monkeypatch):
    """A step takes 2 s, half of it waiting; the first is left out. After the sixth, 14 steps are left."""
    caplog.set_level(logging.INFO)
    seconds = iter(range(0, 10_000, 2))
    monkeypatch.setattr("vclr_pl.callback.expected_time.time.perf_counter", lambda: next(seconds))
    progress = RunProgress(every_n_steps=1, lines_without_terminal=1)
    stage = running(is_global_zero=rank_zero, num_training_batches=10)
    progress.on_train_start(stage, None)
    for step in range(1, 21):
        stage.global_step, stage.current_epoch = step, (step - 1) // 10
        stage.train_dataloader.waiting_seconds += 1.0
        progress.on_train_batch_end(stage, None, None, None, (step - 1) % 10)
    told = [line for line in caplog.messages if line.startswith("time: ")]
    assert len(told) == rank_zero
    assert all(
        re.fullmatch(r"time: about 28 s, until .*; reading videos limits the speed \(50% of the time is waiting.*", line) for line in told
    )
    assert [
        re.search(r"  left (0:00), until \S*\d\d:\d\d$", line) is not None for line in caplog.messages if line.startswith("step 20/20")
    ] == [True] * rank_zero


def test_in_a_terminal_it_draws_a_bar_and_takes_it_away_and_the_lines_are_for_the_file(caplog):
    caplog.set_level(logging.INFO)
    progress = RunProgress(every_n_steps=1, lines_without_terminal=2)
    progress.console = progress.bar.live.console = Console(force_terminal=True, width=100, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    stage = running()
    progress.on_train_start(stage, None)
    assert progress.live is not None
    stage.global_step = 5
    progress.on_train_batch_end(stage, None, None, None, 4)
    assert (progress.bar.tasks[0].completed, progress.bar.tasks[0].total, progress.bar.tasks[0].description) == (5, 10, "epoch 1/2")
    assert progress.figures.plain == figures_line(stage)
    progress.on_exception(stage, None, KeyboardInterrupt())
    assert progress.live is None
    progress.console.file.close()
    assert [record.file_only for record in caplog.records] == [True]
    assert caplog.messages[0].startswith("step 5/10  loss 3.000")


def test_rows_pass_and_lines_are_few_without_a_terminal(capsys):
    rows = list(watched(iter(range(200)), total=200, doing="reading", is_bad=lambda row: row % 50 == 0, bad="unreadable"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line]  # rich before 15 ends with an empty line
    assert rows == list(range(200))
    assert len(lines) == 21
    assert lines[-1].startswith("reading 200/200 files  files/s ")
    assert "unreadable 4  left 0:00" in lines[-1]


def test_a_terminal_has_a_bar_and_no_lines(capsys, monkeypatch):
    console = Console(force_terminal=True, width=100)
    monkeypatch.setattr(rich, "get_console", lambda: console)
    assert list(watched([1, 2], total=2, doing="copying", is_bad=lambda row: row == 2, bad="kept")) == [1, 2]
    shown = capsys.readouterr().out
    assert "2/2" in shown
    assert "kept 1" in shown
    assert "files/s" not in shown


def test_whoever_stops_early_closes_the_source():
    closed = []

    def source():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    rows = source()
    watching = watched(rows, total=10, doing="reading", is_bad=bool, bad="bad")
    next(watching)
    watching.close()
    rows.close()
    assert closed == [True]


def test_lines_are_counted_in_videos(capsys: pytest.CaptureFixture[str]) -> None:
    module: Any = SimpleNamespace(videos=list(range(40)), videos_done=0)
    trainer: Any = SimpleNamespace(is_global_zero=True, world_size=1, lightning_module=module)
    progress = VideoProgress()
    progress.on_predict_start(trainer, module)
    for done in (0, 0, 1, 1, 2, 3, 4, 9, 40):
        module.videos_done = done
        progress.on_predict_batch_end(trainer, module, None, None, 0)
    lines = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["1/40", "4/40", "9/40", "40/40"]


def test_other_ranks_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    module: Any = SimpleNamespace(videos=[0], videos_done=1)
    trainer: Any = SimpleNamespace(is_global_zero=False, world_size=1, lightning_module=module)
    progress = VideoProgress()
    progress.on_predict_start(trainer, module)
    progress.on_predict_batch_end(trainer, module, None, None, 0)
    assert capsys.readouterr().out == ""
