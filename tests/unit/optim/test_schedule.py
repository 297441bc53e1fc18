"""The step schedule, epoch by epoch, and torch's own."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vclr_pl.optim.schedule import StepDecay, StepFunctionLR, WarmupCosine, keep_place, resumed_length, training_length
from vclr_pl.types import InputError


def trainer(**changes: Any) -> SimpleNamespace:
    data = SimpleNamespace(batches_per_epoch=10, batch_size=8)
    settings = {"limit_train_batches": 1.0, "accumulate_grad_batches": 1, "max_epochs": 5, "max_steps": -1, "world_size": 2}
    return SimpleNamespace(datamodule=data, **(settings | changes))


@pytest.mark.parametrize(
    ("changes", "steps_per_epoch", "total_steps", "global_batch"),
    [
        ({}, 10, 50, 16),
        ({"accumulate_grad_batches": 4}, 3, 15, 64),
        ({"limit_train_batches": 4}, 4, 20, 16),
        ({"limit_train_batches": 0.5}, 5, 25, 16),
        ({"max_steps": 12}, 10, 12, 16),
        ({"max_epochs": -1, "max_steps": 70}, 10, 70, 16),
    ],
)
def test_lengths_follow_from_the_data_and_the_trainer(
    changes: dict[str, Any], steps_per_epoch: int, total_steps: int, global_batch: int
) -> None:
    length = training_length(trainer(**changes))
    assert (length.steps_per_epoch, length.total_steps, length.global_batch_size) == (steps_per_epoch, total_steps, global_batch)


def test_a_run_without_end_is_refused() -> None:
    with pytest.raises(InputError, match=r"max_epochs or trainer\.max_steps"):
        training_length(trainer(max_epochs=-1))


def test_bare_loaders_are_refused() -> None:
    with pytest.raises(InputError, match="VideoDataModule"):
        training_length(SimpleNamespace(datamodule=None))


@pytest.mark.parametrize(
    ("changes", "batches", "steps_per_epoch", "total_steps"),
    [
        ({}, 10, 10, 50),  # as it was
        ({}, 20, 20, 20 + 60),  # half the batch size, or half the devices: three epochs are left
        ({}, 5, 5, 20 + 15),
        ({"accumulate_grad_batches": 4}, 10, 3, 20 + 9),
        ({"world_size": 8}, 3, 3, 20 + 9),
        ({"max_epochs": 8}, 20, 20, 20 + 120),
        ({"max_steps": 47}, 20, 20, 47),
        ({"max_epochs": -1, "max_steps": 70}, 20, 20, 70),
        ({"max_epochs": 2}, 20, 20, 20),  # its evaluation was interrupted
    ],
)
def test_a_place_is_kept_in_epochs(changes: dict[str, Any], batches: int, steps_per_epoch: int, total_steps: int) -> None:
    """Two of five epochs are over, after twenty steps."""
    checkpoint: dict[str, Any] = {"global_step": 20}
    keep_place(checkpoint, training_length(trainer()))
    assert checkpoint["epochs_done"] == [2, 1]
    resumed = trainer(**changes)
    resumed.datamodule.batches_per_epoch = batches
    length = training_length(resumed, checkpoint=checkpoint)
    assert (length.steps_per_epoch, length.total_steps) == (steps_per_epoch, total_steps)
    assert length.place(20) == 2 * steps_per_epoch
    assert length.place(20 + steps_per_epoch) == 3 * steps_per_epoch
    assert length.last_place - length.place(20) == total_steps - 20


def test_a_place_inside_an_epoch_and_a_second_resume() -> None:
    """7 steps of 10 an epoch, then 3 of 4 an epoch: 0.7 and 0.75 epochs."""
    checkpoint: dict[str, Any] = {"global_step": 7}
    keep_place(checkpoint, training_length(trainer()))
    accumulating = training_length(trainer(accumulate_grad_batches=3), checkpoint=checkpoint)
    assert accumulating.place(7) == pytest.approx(2.8)
    assert accumulating.total_steps == 7 + math.ceil(4.3 * 4)
    again: dict[str, Any] = {"global_step": 10}
    keep_place(again, accumulating)
    assert Fraction(*again["epochs_done"]) == Fraction(145, 100)
    assert training_length(trainer(), checkpoint=again).place(10) == pytest.approx(14.5)


@pytest.mark.parametrize(("batches", "left", "rest_steps"), [(10, 3, 3), (20, 6, 6), (5, 1, 1), (5, 0, 0)])
def test_the_rest_of_an_epoch_ends_with_it(batches: int, left: int, rest_steps: int) -> None:
    """70 of 100 videos were seen in 7 steps; however many steps follow, the epoch ends at 1, and the run after four more."""
    checkpoint: dict[str, Any] = {"global_step": 7}
    keep_place(checkpoint, training_length(trainer()))
    progress = {"total": {"processed": 7, "completed": 6}, "current": {"processed": 7, "completed": 6}, "is_last_batch": False}
    checkpoint["loops"] = {
        "fit_loop": {
            "state_dict": {"combined_loader": [{"seen": 70, "position": 7, "global_batch_size": 10}]},
            "epoch_progress": {"current": {"started": 1, "processed": 0}},
            "epoch_loop.batch_progress": progress,
            "epoch_loop.state_dict": {"_batches_that_stepped": 6},
        }
    }
    resumed = trainer()
    resumed.datamodule = SimpleNamespace(batches_per_epoch=batches, batch_size=8, batches_after=lambda seen: left if seen else batches)
    length = resumed_length(resumed, checkpoint)
    assert length.total_steps == 7 + rest_steps + 4 * batches
    expected = [0.7 + 0.3 * step / rest_steps for step in range(rest_steps)] + [1 + step / batches for step in range(4 * batches + 1)]
    assert [float(length.epochs_at(7 + step)) for step in range(rest_steps + 4 * batches + 1)] == pytest.approx(expected)
    assert length.epochs_at(0) < length.epochs_at(7)  # before Lightning restores the step
    assert progress["current"] == dict.fromkeys(("ready", "started", "processed", "completed"), batches - left)


def test_an_older_checkpoint_is_taken_to_be_of_this_batch_size() -> None:
    length = training_length(trainer(), checkpoint={"global_step": 20})
    assert (length.place(20), length.total_steps) == (20, 50)


@pytest.mark.parametrize("batches", [5, 10, 20, 40])
def test_every_schedule_goes_on_at_the_same_epoch(batches: int) -> None:
    """Closed forms over epochs: the rate at an epoch does not depend on how many steps the epochs before had."""
    checkpoint: dict[str, Any] = {"global_step": 20}
    keep_place(checkpoint, training_length(trainer()))
    resumed = trainer()
    resumed.datamodule.batches_per_epoch = batches
    length = training_length(resumed, checkpoint=checkpoint)
    cosine = WarmupCosine(warmup_epochs=1, warmup_multiplier=100, minimum_lr=0.0)
    steps = StepDecay(decay_epochs=[3, 4], decay_factor=0.1)
    for step in range(length.done_steps, length.total_steps):
        epoch = 2 + (step - 20) / batches
        figures = {"step": length.place(step), "base_lr": 1.0, "steps_per_epoch": length.steps_per_epoch}
        assert cosine.lr_at(**figures, total_steps=length.last_place) == pytest.approx((1 + math.cos(math.pi * (epoch - 1) / 4)) / 2)
        assert steps.lr_at(**figures) == pytest.approx(0.1 ** ((epoch >= 3) + (epoch >= 4)))


def test_it_is_torchs_multi_step_lr():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.025)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[20, 40], gamma=0.1)
    schedule = StepDecay(decay_epochs=[20, 40], decay_factor=0.1)
    for epoch in range(50):
        for batch in range(3):
            found = schedule.lr_at(step=3 * epoch + batch, base_lr=0.025, steps_per_epoch=3)
            assert found == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_it_may_never_fall():
    assert StepDecay(decay_epochs=[], decay_factor=0.1).lr_at(step=10**6, base_lr=0.1, steps_per_epoch=3) == 0.1


def test_options_out_of_range_are_told():
    with pytest.raises(InputError, match=r"ascending epochs; got schedule\.decay_epochs=\[40, 20\]"):
        StepDecay(decay_epochs=[40, 20], decay_factor=0.1)
    with pytest.raises(InputError, match=r"schedule\.decay_factor=0"):
        StepDecay(decay_epochs=[20], decay_factor=0)


def test_whole_schedule_of_six_steps() -> None:
    schedule = WarmupCosine(warmup_epochs=1, warmup_multiplier=100, minimum_lr=0.0)
    rates = [schedule.lr_at(step=step, base_lr=1.0, steps_per_epoch=2, total_steps=6) for step in range(7)]
    assert rates == pytest.approx([0.01, 0.505, 1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0.0], abs=1e-15)


def test_it_stays_at_the_minimum_past_the_end_and_takes_part_of_an_epoch_to_warm_up() -> None:
    schedule = WarmupCosine(warmup_epochs=0.5, warmup_multiplier=10, minimum_lr=0.125)
    rates = [schedule.lr_at(step=step, base_lr=1.0, steps_per_epoch=4, total_steps=4) for step in (0, 1, 2, 9)]
    assert rates == pytest.approx([0.1, 0.55, 1.0, 0.125])


def test_a_resumed_rate_follows_its_own_config_from_the_step_it_reached() -> None:
    def made(scale: float) -> tuple[torch.optim.SGD, StepFunctionLR]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=9.0)
        return optimizer, StepFunctionLR(optimizer, lr_at=lambda step: scale * step)

    optimizer, rate = made(1.0)
    assert optimizer.param_groups[0]["lr"] == 0.0
    for _ in range(3):
        optimizer.step()
        rate.step()
    assert optimizer.param_groups[0]["lr"] == 3.0
    resumed, other = made(10.0)
    other.load_state_dict(rate.state_dict())
    assert resumed.param_groups[0]["lr"] == 30.0
    resumed.step()
    other.step()
    assert resumed.param_groups[0]["lr"] == 40.0
