"""The end of a diverged run, on all ranks at once."""

from __future__ import annotations

import math

import pytest
import torch
from tests.unit.callback.stage import trainer

from vclr_pl.callback.monitor import FiniteLoss
from vclr_pl.types import InputError


def end_of_batch(callback, number, **changes):
    callback.on_train_batch_end(trainer(**changes), None, None, None, number)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(value):
    with pytest.raises(InputError, match=r"expected a finite loss; got train/loss=(nan|inf) at step 7"):
        end_of_batch(FiniteLoss(every_n_steps=5), 4, callback_metrics={"train/loss": torch.tensor(value)}, global_step=7)


def test_it_is_read_now_and_then_and_at_the_end_of_an_epoch():
    broken = {"train/loss": torch.tensor(math.nan)}
    callback = FiniteLoss(every_n_steps=5)
    for number in (1, 2, 3, 5):
        end_of_batch(callback, number, callback_metrics=broken)
    for number, is_last in ((0, False), (4, False), (9, False), (2, True)):
        with pytest.raises(InputError):
            end_of_batch(callback, number, callback_metrics=broken, is_last_batch=is_last)


def test_other_figures_may_be_missing():
    values = {"train/loss": torch.tensor(1.0), "val/top1": torch.tensor(math.nan)}
    end_of_batch(FiniteLoss(every_n_steps=1), 0, callback_metrics=values)
