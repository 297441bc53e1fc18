"""The learning rate over a run: warm-up and cosine (VCLR, section 4.1), steps, and the length of a run in epochs.

A place is kept in epochs: a run may be resumed with another batch size, number of devices or of accumulated batches.

Taken from the data module rather than from `trainer.estimated_stepping_batches`, which makes Lightning build the loader early
and drop the loader's restored position (pytorch-lightning#20550).
"""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from vclr_pl.optim.epoch_rest import count_batches_of, epoch_rest
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
    rest_steps: int = 0  # of the epoch inside which an earlier start ended
    epoch_end: Fraction = Fraction(0)  # the epochs that are over after them

    @property
    def global_batch_size(self) -> int:
        """Videos behind one optimizer step."""
        return self.batch_size * self.world_size * self.accumulated_batches

    def epochs_at(self, step: int) -> Fraction:
        """Epochs of the run that are over before optimizer step `step`, counted from 0."""
        ahead = step - self.done_steps
        if ahead >= self.rest_steps:
            return self.epoch_end + Fraction(ahead - self.rest_steps, self.steps_per_epoch)
        if ahead > 0:
            return self.done_epochs + (self.epoch_end - self.done_epochs) * Fraction(ahead, self.rest_steps)
        return max(Fraction(0), self.done_epochs + Fraction(ahead, self.steps_per_epoch))  # before Lightning restores the step

    def place(self, step: int) -> int | float:
        """Step `step` as it would be counted if all steps before had been of this start's size."""
        place = self.epochs_at(step) * self.steps_per_epoch
        return int(place) if place.denominator == 1 else float(place)

    @property
    def last_place(self) -> int | float:
        """`place` of the end."""
        return self.place(self.total_steps)


def training_length(trainer: Any, *, checkpoint: MutableMapping[str, Any] | None = None) -> TrainingLength:
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
            hint="Wrap the dataset: VideoDataModule(splits=dataset, ...).",
        )
    batches = _batches_per_epoch(trainer)
    steps_per_epoch = max(1, math.ceil(batches / trainer.accumulate_grad_batches))
    done_steps = 0 if checkpoint is None else int(checkpoint["global_step"])
    kept = None if checkpoint is None else checkpoint.get(EPOCHS_DONE)
    done_epochs = Fraction(done_steps, steps_per_epoch) if kept is None else Fraction(*kept)
    rest = None if checkpoint is None else epoch_rest(checkpoint, batches=batches, data=data)
    rest_steps = 0 if rest is None else rest.steps(accumulated_batches=trainer.accumulate_grad_batches)
    epoch_end = done_epochs if rest is None else Fraction(math.ceil(done_epochs))
    left = [rest_steps + math.ceil((trainer.max_epochs - epoch_end) * steps_per_epoch)] if trainer.max_epochs not in (None, -1) else []
    left += [trainer.max_steps - done_steps] if trainer.max_steps not in (None, -1) else []
    if not left:
        raise InputError(expected="an end of the run", got="neither", hint="Set trainer.max_epochs or trainer.max_steps.")
    return TrainingLength(
        batch_size=data.batch_size,
        world_size=trainer.world_size,
        accumulated_batches=trainer.accumulate_grad_batches,
        steps_per_epoch=steps_per_epoch,
        total_steps=done_steps + max(0, min(left)),
        done_steps=done_steps,
        done_epochs=done_epochs,
        rest_steps=rest_steps,
        epoch_end=epoch_end,
    )


def resumed_length(trainer: Any, checkpoint: MutableMapping[str, Any]) -> TrainingLength:
    """Length of the run that `trainer` continues. The checkpoint then counts the batches of its epoch in the present size."""
    rest = epoch_rest(checkpoint, batches=_batches_per_epoch(trainer), data=trainer.datamodule)
    if rest is not None:
        count_batches_of(rest, checkpoint)
    return training_length(trainer, checkpoint=checkpoint)


def keep_place(checkpoint: MutableMapping[str, Any], length: TrainingLength) -> None:
    """Write the place in epochs into a checkpoint that Lightning is about to save."""
    checkpoint[EPOCHS_DONE] = list(length.epochs_at(int(checkpoint["global_step"])).as_integer_ratio())


def _batches_per_epoch(trainer: Any) -> int:
    batches, limit = int(trainer.datamodule.batches_per_epoch), trainer.limit_train_batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


class StepDecay:
    """Learning rate as a function of the epochs done, a fraction included, so that a run may be resumed with another batch size.

    torch's `MultiStepLR` counts steps and stores its milestones in the checkpoint: after a change of the batch size it would decay
    at the wrong epoch.

    Args:
        decay_epochs: epochs after which the rate is multiplied, ascending.
        decay_factor: the factor, 0.1 as published.

    Raises:
        InputError: epochs that do not ascend, or a factor outside (0, 1].
    """

    def __init__(self, *, decay_epochs: Sequence[float], decay_factor: float) -> None:
        if list(decay_epochs) != sorted(decay_epochs):
            raise InputError(
                expected="ascending epochs", got=f"schedule.decay_epochs={list(decay_epochs)}", hint="Set them in order, as [20,40]."
            )
        if not 0 < decay_factor <= 1:
            raise InputError(
                expected="a factor above 0, at most 1", got=f"schedule.decay_factor={decay_factor}", hint="Set schedule.decay_factor=0.1."
            )
        self.decay_epochs, self.decay_factor = tuple(decay_epochs), decay_factor

    def lr_at(self, *, step: float, base_lr: float, steps_per_epoch: float) -> float:
        """Learning rate of optimizer step `step`, counted from 0 in steps of the present size."""
        passed = sum(step >= round(epoch * steps_per_epoch) for epoch in self.decay_epochs)
        return float(base_lr * self.decay_factor**passed)


class WarmupCosine:
    """Learning rate as a function of the place in the run alone, so that a resumed run continues where it was.

    Args:
        warmup_epochs: length of the warm-up; a fraction of an epoch counts.
        warmup_multiplier: the warm-up starts at base / multiplier.
        minimum_lr: where the cosine ends.
        progressive_resolution: the side of the views in the first epoch, pixels; the data module reads it. None: views of one size.
    """

    def __init__(
        self, *, warmup_epochs: float, warmup_multiplier: float, minimum_lr: float, progressive_resolution: int | None = None
    ) -> None:
        self.warmup_epochs, self.warmup_multiplier, self.minimum_lr = warmup_epochs, warmup_multiplier, minimum_lr
        self.progressive_resolution = progressive_resolution

    def lr_at(self, *, step: float, base_lr: float, steps_per_epoch: float, total_steps: float) -> float:
        """Learning rate of optimizer step `step`, counted from 0 in steps of the present size."""
        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup_steps:
            start = base_lr / self.warmup_multiplier
            return start + (base_lr - start) * step / warmup_steps
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return self.minimum_lr + (base_lr - self.minimum_lr) * (1.0 + math.cos(math.pi * progress)) / 2.0


class StepFunctionLR(LRScheduler):
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
