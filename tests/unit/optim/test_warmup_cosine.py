from __future__ import annotations

import math

import pytest
import torch

from vclr_pl.optim.warmup_cosine import FollowedRate, WarmupCosine


def test_whole_schedule_of_six_steps() -> None:
    schedule = WarmupCosine(warmup_epochs=1, warmup_multiplier=100, minimum_lr=0.0)
    rates = [schedule.lr_at(step=step, base_lr=1.0, steps_per_epoch=2, total_steps=6) for step in range(7)]
    assert rates == pytest.approx([0.01, 0.505, 1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0.0], abs=1e-15)


def test_it_stays_at_the_minimum_past_the_end_and_takes_part_of_an_epoch_to_warm_up() -> None:
    schedule = WarmupCosine(warmup_epochs=0.5, warmup_multiplier=10, minimum_lr=0.125)
    rates = [schedule.lr_at(step=step, base_lr=1.0, steps_per_epoch=4, total_steps=4) for step in (0, 1, 2, 9)]
    assert rates == pytest.approx([0.1, 0.55, 1.0, 0.125])


def test_a_resumed_rate_follows_its_own_config_from_the_step_it_reached() -> None:
    def made(scale: float) -> tuple[torch.optim.SGD, FollowedRate]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=9.0)
        return optimizer, FollowedRate(optimizer, lr_at=lambda step: scale * step)

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
