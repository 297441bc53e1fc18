"""The published schedule in closed form: linear warm-up, then half a cosine, one value a step (VCLR, section 4.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class WarmupCosine:
    """Learning rate as a function of the place in the run alone, so that a resumed run continues where it was.

    Args:
        warmup_epochs: length of the warm-up; a fraction of an epoch counts.
        warmup_multiplier: the warm-up starts at base / multiplier.
        minimum_lr: where the cosine ends.
    """

    def __init__(self, *, warmup_epochs: float, warmup_multiplier: float, minimum_lr: float) -> None:
        self.warmup_epochs, self.warmup_multiplier, self.minimum_lr = warmup_epochs, warmup_multiplier, minimum_lr

    def lr_at(self, *, step: float, base_lr: float, steps_per_epoch: float, total_steps: float) -> float:
        """Learning rate of optimizer step `step`, counted from 0 in steps of the present size."""
        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup_steps:
            start = base_lr / self.warmup_multiplier
            return start + (base_lr - start) * step / warmup_steps
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return self.minimum_lr + (base_lr - self.minimum_lr) * (1.0 + math.cos(math.pi * progress)) / 2.0


class FollowedRate(LRScheduler):
    """Sets every group's rate to a function of the step, times the group's `lr_factor` where it has one.

    A checkpoint holds the step alone, so a resumed run follows its own config.

    Args:
        optimizer: whose groups are set.
        lr_at: learning rate of optimizer step `step`, counted from 0.
    """

    def __init__(self, optimizer: Optimizer, *, lr_at: Callable[..., float]) -> None:
        self.lr_at = lr_at
        super().__init__(optimizer)

    def get_lr(self) -> Any:
        lr = self.lr_at(step=self.last_epoch)
        return [lr * group.get("lr_factor", 1.0) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        return {"last_epoch": self.last_epoch, "_step_count": self._step_count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.last_epoch, self._step_count = state_dict["last_epoch"], state_dict["_step_count"]
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
