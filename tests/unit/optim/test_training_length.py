from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vclr_pl.optim.training_length import training_length
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
