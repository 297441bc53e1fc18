from __future__ import annotations

import math

import pytest

from vclr_pl.optim.warmup_cosine import WarmupCosine


def test_whole_schedule_of_six_steps() -> None:
    schedule = WarmupCosine(warmup_epochs=1, warmup_multiplier=100, minimum_lr=0.0)
    rates = [schedule.lr_at(step=step, base_lr=1.0, steps_per_epoch=2, total_steps=6) for step in range(7)]
    assert rates == pytest.approx([0.01, 0.505, 1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0.0], abs=1e-15)


def test_it_stays_at_the_minimum_past_the_end_and_takes_part_of_an_epoch_to_warm_up() -> None:
    schedule = WarmupCosine(warmup_epochs=0.5, warmup_multiplier=10, minimum_lr=0.125)
    rates = [schedule.lr_at(step=step, base_lr=1.0, steps_per_epoch=4, total_steps=4) for step in (0, 1, 2, 9)]
    assert rates == pytest.approx([0.1, 0.55, 1.0, 0.125])
