"""How long a run is, known before its first batch, and where in it a step is: what the learning rate depends on.

A place is kept in epochs: a run may be resumed with another batch size, number of devices or of accumulated batches.

Taken from the data module rather than from `trainer.estimated_stepping_batches`, which makes Lightning build the loader early
and drop the loader's restored position (pytorch-lightning#20550).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from vclr_pl.types import InputError

EPOCHS_DONE = "epochs_done"  # in a checkpoint, as numerator and denominator


@dataclass(frozen=True)
class TrainingLength:
    """Batch sizes in videos, lengths in optimizer steps."""

    batch_size: int  # of one device
    world_size: int
    accumulated_batches: int
    steps_per_epoch: int
    total_steps: int  # with those of earlier starts
    done_steps: int = 0  # by earlier starts
    done_epochs: Fraction = Fraction(0)  # by earlier starts

    @property
    def global_batch_size(self) -> int:
        """Videos behind one optimizer step."""
        return self.batch_size * self.world_size * self.accumulated_batches

    def epochs_at(self, step: int) -> Fraction:
        """Epochs of the run that are over before optimizer step `step`, counted from 0."""
        return self.done_epochs + Fraction(step - self.done_steps, self.steps_per_epoch)

    def place(self, step: int) -> int | float:
        """Step `step` as it would be counted if all steps before had been of this start's size."""
        place = self.epochs_at(step) * self.steps_per_epoch
        return int(place) if place.denominator == 1 else float(place)

    @property
    def last_place(self) -> int | float:
        """`place` of the end."""
        return self.place(self.total_steps)


def training_length(trainer: Any, *, checkpoint: Mapping[str, Any] | None = None) -> TrainingLength:
    """Length of the run that `trainer` is about to do on its data module.

    Args:
        checkpoint: that the run continues from. One without a place in epochs is taken to be of the present batch size.

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
    done_steps = 0 if checkpoint is None else int(checkpoint["global_step"])
    kept = None if checkpoint is None else checkpoint.get(EPOCHS_DONE)
    done_epochs = Fraction(done_steps, steps_per_epoch) if kept is None else Fraction(*kept)
    left = [math.ceil((trainer.max_epochs - done_epochs) * steps_per_epoch)] if trainer.max_epochs not in (None, -1) else []
    left += [trainer.max_steps - done_steps] if trainer.max_steps not in (None, -1) else []
    if not left:
        raise InputError(expected="an end of the run", got="neither", remedy="Set trainer.max_epochs or trainer.max_steps.")
    return TrainingLength(
        batch_size=data.batch_size,
        world_size=trainer.world_size,
        accumulated_batches=trainer.accumulate_grad_batches,
        steps_per_epoch=steps_per_epoch,
        total_steps=done_steps + max(0, min(left)),
        done_steps=done_steps,
        done_epochs=done_epochs,
    )


def keep_place(checkpoint: MutableMapping[str, Any], length: TrainingLength) -> None:
    """Write the place in epochs into a checkpoint that Lightning is about to save."""
    checkpoint[EPOCHS_DONE] = list(length.epochs_at(int(checkpoint["global_step"])).as_integer_ratio())


def _limited(batches: int, limit: int | float) -> int:
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)
