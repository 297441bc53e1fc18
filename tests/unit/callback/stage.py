"""A trainer's outside, as far as callbacks look at it: plain values, no behavior."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch


class Logged:
    """Keeps what a callback logs through the module."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def log_dict(self, values: dict[str, float], **_: Any) -> None:
        self.values.update(values)

    @property
    def encoder(self) -> torch.nn.Module:
        return torch.nn.BatchNorm1d(1)

    def features(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.mean((-1, -2))


def trainer(**changes: Any) -> SimpleNamespace:
    strategy = SimpleNamespace(root_device=torch.device("cpu"), reduce_boolean_decision=lambda decision, all: decision)
    values: dict[str, Any] = {
        "strategy": strategy,
        "is_global_zero": True,
        "is_last_batch": False,
        "fast_dev_run": False,
        "world_size": 1,
        "global_step": 0,
        "current_epoch": 0,
        "max_epochs": 2,
        "max_steps": -1,
        "num_training_batches": 5,
        "accumulate_grad_batches": 1,
        "log_every_n_steps": 10,
        "callback_metrics": {},
        "train_dataloader": SimpleNamespace(waiting_seconds=0.0),
        "fit_loop": SimpleNamespace(restarted_mid_epoch=False, epoch_loop=SimpleNamespace(batch_idx=-1)),
        "loggers": [],
        "callbacks": [],
        "default_root_dir": "runs/demo/now",
    }
    return SimpleNamespace(**(values | changes))
