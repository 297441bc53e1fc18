"""How long a run is, known before its first batch: what the learning rate depends on.

Taken from the data module rather than from `trainer.estimated_stepping_batches`, which makes Lightning build the loader early
and drop the loader's restored position (pytorch-lightning#20550).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from vclr_pl.types import InputError


@dataclass(frozen=True)
class TrainingLength:
    """Batch sizes in videos, lengths in optimizer steps."""

    batch_size: int  # of one device
    world_size: int
    accumulated_batches: int
    steps_per_epoch: int
    total_steps: int

    @property
    def global_batch_size(self) -> int:
        """Videos behind one optimizer step."""
        return self.batch_size * self.world_size * self.accumulated_batches


def training_length(trainer: Any) -> TrainingLength:
    """Length of the run that `trainer` is about to do on its data module.

    Raises:
        InputError: when no data module was given, or neither epochs nor steps bound the run.
    """
    data = trainer.datamodule
    if data is None:
        raise InputError(
            expected="trainer.fit(module, datamodule=...)",
            got="data loaders without a VideoDataModule",
            remedy="Wrap the dataset: VideoDataModule(splits=dataset, ...).",
        )
    batches = _limited(data.batches_per_epoch, trainer.limit_train_batches)
    steps_per_epoch = max(1, math.ceil(batches / trainer.accumulate_grad_batches))
    bounds = [trainer.max_epochs * steps_per_epoch] if trainer.max_epochs not in (None, -1) else []
    bounds += [trainer.max_steps] if trainer.max_steps not in (None, -1) else []
    if not bounds:
        raise InputError(expected="an end of the run", got="neither", remedy="Set trainer.max_epochs or trainer.max_steps.")
    return TrainingLength(
        batch_size=data.batch_size,
        world_size=trainer.world_size,
        accumulated_batches=trainer.accumulate_grad_batches,
        steps_per_epoch=steps_per_epoch,
        total_steps=min(bounds),
    )


def _limited(batches: int, limit: int | float) -> int:
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)
