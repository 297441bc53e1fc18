"""The end of a run whose loss is no number any more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.types import InputError


class FiniteLoss(lightning.Callback):
    """Ends the run at a loss that is not finite, before `last.ckpt` is replaced.

    Args:
        every_n_steps: between two readings: reading a number from a GPU waits for it.
    """

    def __init__(self, *, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """
        Raises:
            InputError: on all ranks together, when the loss of one of them is not finite.
        """
        del pl_module, outputs, batch
        if (batch_idx + 1) % self.every_n_steps == 0 or batch_idx == 0 or trainer.is_last_batch:
            refuse_broken_loss(trainer, {name: float(value) for name, value in trainer.callback_metrics.items()})


def refuse_broken_loss(trainer: Any, values: Mapping[str, float]) -> None:
    """See `FiniteLoss`; losses are the values whose names begin with `train/loss`."""
    broken = [name for name, value in values.items() if name.startswith("train/loss") and not math.isfinite(value)]
    if trainer.strategy.reduce_boolean_decision(bool(broken), all=False):
        raise InputError(
            expected="a finite loss",
            got=f"{', '.join(f'{name}={values[name]}' for name in broken) or 'another rank with none'} at step {trainer.global_step}",
            remedy="Lower the lr, set trainer.gradient_clip_val=1 or trainer.precision=32-true; trainer.detect_anomaly=true names it.",
        )
