from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.unit.callback.stage import trainer
from tests.unit.callback.test_view_grid import MEAN, STD, batch

from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.callback.monitor import CollapseMonitor
from vclr_pl.callback.run_page import Outcome, RunPageWriter
from vclr_pl.callback.run_summary import RunSummary
from vclr_pl.report.run_page import NextCommand
from vclr_pl.types import BrokenVideo


def writer(folder: Path, *, every_seconds: float = 0.0, every_n_steps: int = 1) -> RunPageWriter:
    path = str(folder / "run.html")
    return RunPageWriter(path=path, every_n_steps=every_n_steps, every_seconds=every_seconds, share_of_time=1e9)


def stage(step: int = 1, *, broken: tuple[BrokenVideo, ...] = (), **changes: Any) -> Any:
    data = SimpleNamespace(
        broken_videos=broken,
        class_names=("jump", "run"),
        color_augmentation=SimpleNamespace(mean=MEAN, std=STD),
        manifest=lambda split: SimpleNamespace(path=lambda index: f"/videos/{split}/<b>{index}.mp4"),
    )
    metrics = {"train/loss": torch.tensor(10.0 - step), "train/lr": torch.tensor(0.1), "val/top1": torch.tensor(50.0)}
    return trainer(**({"datamodule": data, "callbacks": [], "global_step": step, "callback_metrics": metrics} | changes))


def steps(page: RunPageWriter, *numbers: int, **changes: Any) -> None:
    for number in numbers:
        page.on_train_batch_end(stage(number, **changes), SimpleNamespace(), None, batch(), number - 1)


def text(folder: Path) -> str:
    return (folder / "run.html").read_text()


def test_the_page_is_there_before_the_first_step(tmp_path):
    writer(tmp_path).on_fit_start(stage(0, callback_metrics={}), SimpleNamespace())
    assert "starting" in text(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.html"]  # no curves yet


def test_the_page_names_the_evaluation_before_the_first_step(tmp_path):
    evaluation = EncoderEvaluation(
        enabled=True, baseline=True, precision="32-true", frames_per_pass=8, unlabeled_videos=6, measures={"any": dict}
    )
    evaluation.keep_start(SimpleNamespace(encoder=torch.nn.Linear(1, 1)), name="random initialization")
    before = stage(0, callback_metrics={}, callbacks=[evaluation])
    before.datamodule.labeled = True
    page = writer(tmp_path)
    page.on_fit_start(before, SimpleNamespace())
    assert "Evaluating the random initialization." in text(tmp_path)
    page.on_train_start(before, SimpleNamespace())
    assert "Loading the first batch." in text(tmp_path)


def test_the_first_step_does_not_wait_for_the_time_of_the_starting_page(tmp_path):
    page = writer(tmp_path, every_seconds=1000.0)
    page.on_fit_start(stage(0, callback_metrics={}), SimpleNamespace())
    page.on_train_start(stage(0, callback_metrics={}), SimpleNamespace())
    steps(page, 1)
    assert "Step 1 of 10" in text(tmp_path)


def test_commands_are_there_with_the_checkpoint_that_they_read(tmp_path):
    page = writer(tmp_path)
    page.description = replace(page.description, commands=[NextCommand(purpose="Resume after a stop", command="python")])
    steps(page, 1)
    assert "Resume after a stop" not in text(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    steps(page, 2)
    assert "Resume after a stop" in text(tmp_path)


def test_the_share_of_waiting_is_that_of_the_summary(tmp_path):
    summary = RunSummary(every_n_steps=1)
    summary.on_train_start(stage(0), SimpleNamespace())
    summary.seconds, summary.waited_seconds = 10.0, 0.8
    page = writer(tmp_path)
    steps(page, 1, callbacks=[summary], callback_metrics={"train/data_wait_percent": torch.tensor(1.0)})
    assert "<dt>waiting for videos</dt><dd>8%" in text(tmp_path)
    assert "8% of it waiting" in summary.cost(tmp_path)


def test_a_run_in_progress_says_how_far_it_is(tmp_path):
    page = writer(tmp_path)
    steps(page, 1, 2, 3)
    assert "Step 3 of 10, epoch 1 of 2." in text(tmp_path)
    assert 'value="30.0"' in text(tmp_path)
    assert page.curves["train/loss"] == [(1, 9.0), (2, 8.0), (3, 7.0)]
    assert (tmp_path / "curves.png").is_file()


def test_the_first_step_the_last_and_every_nth_are_read(tmp_path):
    page = writer(tmp_path, every_n_steps=3)
    steps(page, 1, 2, 3, 4, log_every_n_steps=3)
    steps(page, 5, is_last_batch=True, log_every_n_steps=3)
    assert [step for step, _ in page.curves["train/loss"]] == [1, 3, 5]


def test_writing_waits_for_its_time(tmp_path):
    page = writer(tmp_path, every_seconds=1000.0)
    steps(page, 1)
    first = text(tmp_path)
    steps(page, 2, 3)
    assert text(tmp_path) == first
    page.on_train_end(stage(3), SimpleNamespace())
    assert "evaluating" in text(tmp_path)
    assert not (tmp_path / "curves.png").exists()
    page.finish(stage(3), SimpleNamespace(), Outcome(verdict=("learning", "R@1 62")))
    assert (tmp_path / "curves.png").is_file()
    assert "R@1 62" in text(tmp_path)
    assert 'data-alive="false"' in text(tmp_path)


def test_a_measurement_is_one_point_until_it_is_measured_again(tmp_path):
    page, measured = writer(tmp_path), torch.tensor(50.0)
    for step, value in ((5, measured), (10, measured), (15, torch.tensor(60.0))):
        page.on_train_epoch_end(stage(step, callback_metrics={"val/knn_top1": value}), SimpleNamespace())
    assert page.curves["val/knn_top1"] == [(5, 50.0), (15, 60.0)]


def test_curves_of_a_long_run_stay_short(tmp_path):
    page = writer(tmp_path, every_seconds=1e9)
    steps(page, *range(1, 3000))
    assert all(len(points) <= 1000 for points in page.curves.values())
    assert (page.curves["train/loss"][0], page.curves["train/loss"][-1]) == ((1, 9.0), (2999, -2989.0))


def test_a_resumed_run_continues_its_curves(tmp_path):
    first, resumed = writer(tmp_path), writer(tmp_path)
    steps(first, 1, 2)
    first.alarms["inter_frame"] = [(2, 2)]
    torch.save(first.state_dict(), tmp_path / "state")
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    resumed.on_train_start(stage(2), SimpleNamespace())
    steps(resumed, 3)
    assert resumed.curves["train/loss"] == [(1, 9.0), (2, 8.0), (3, 7.0)]
    assert resumed.alarms == {"inter_frame": [(2, 2)]}


def test_a_collapse_is_a_stretch_on_the_page(tmp_path):
    monitor = CollapseMonitor(every_n_steps=1, minimum_gap=0.05, minimum_times_chance=2.0, grace_steps=1)
    page = writer(tmp_path)
    for step, gap in ((1, 0.01), (2, 0.01), (3, 0.01), (4, 0.9), (5, 0.01)):
        monitor.gaps, monitor.times_chance = {"train/inter_frame": gap}, {"train/inter_frame": 1.0}
        steps(page, step, callbacks=[monitor])
    assert page.alarms == {"inter_frame": [(2, 3), (5, 5)]}
    assert "inter frame: positives are no more similar than other videos of the batch, since step 5." in text(tmp_path)


def test_a_loss_that_is_no_number_ends_on_the_page(tmp_path):
    page = writer(tmp_path)
    steps(page, 1)
    broken = stage(2, callback_metrics={"train/loss": torch.tensor(math.nan)})
    page.on_exception(broken, SimpleNamespace(), ValueError("expected a finite <loss>"))
    assert "failed" in text(tmp_path)
    assert "ValueError: expected a finite &lt;loss&gt;. The last step was 2." in text(tmp_path)
    assert "loss is not a number at step 2." in text(tmp_path)


def test_a_stopped_run_is_no_failed_one(tmp_path):
    writer(tmp_path).on_exception(stage(4), SimpleNamespace(), KeyboardInterrupt())
    assert "Stopped by the user or the system. The last step was 4." in text(tmp_path)


def test_views_and_broken_videos_are_shown_by_name(tmp_path):
    page = writer(tmp_path)
    broken = (BrokenVideo("/videos/<script>.mp4", "pyav", "no frames"),)
    page.on_train_batch_start(stage(0, broken=broken), SimpleNamespace(), batch(), 0)
    steps(page, 1, broken=broken)
    assert "train/&lt;b&gt;0.mp4" in text(tmp_path)
    assert "/videos/&lt;script&gt;.mp4" in text(tmp_path)
    assert "pyav: no frames" in text(tmp_path)


def test_a_page_that_cannot_be_written_is_one_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("in the place of the run folder")
    page = writer(tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        steps(page, 1, 2, 3)
        page.on_train_end(stage(3), SimpleNamespace())
    cause = f"expected a folder; got '{tmp_path / 'file'}', which is a file. Choose another folder."
    assert [record.message for record in caplog.records] == [
        f"the training continues, but {tmp_path / 'file' / 'run.html'} cannot be written: {cause}"
    ]


@pytest.mark.parametrize("changes", [{"is_global_zero": False}, {"fast_dev_run": True}])
def test_other_processes_and_trials_write_nothing(tmp_path, changes):
    page = writer(tmp_path)
    page.on_fit_start(stage(0, **changes), SimpleNamespace())
    page.on_train_batch_start(stage(0, **changes), SimpleNamespace(), batch(), 0)
    steps(page, 1, **changes)
    page.on_train_end(stage(1, **changes), SimpleNamespace())
    page.finish(stage(1, **changes), SimpleNamespace(), Outcome())
    assert list(tmp_path.iterdir()) == []
