"""The step schedule, epoch by epoch, and torch's own."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.optim.step_decay import StepDecay
from vclr_pl.types import InputError


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
