"""The step schedule: the learning rate falls by a factor at given epochs."""

from __future__ import annotations

from collections.abc import Sequence

from vclr_pl.types import InputError


class StepDecay:
    """Learning rate as a function of the place in the run alone, so that a resumed run continues where it was.

    Args:
        decay_epochs: after how many epochs it falls, ascending.
        decay_factor: by which it is multiplied each time, 0.1 as published.

    Raises:
        InputError: epochs that do not ascend, or a factor outside (0, 1].
    """

    def __init__(self, *, decay_epochs: Sequence[float], decay_factor: float) -> None:
        if list(decay_epochs) != sorted(decay_epochs):
            raise InputError(
                expected="ascending epochs", got=f"schedule.decay_epochs={list(decay_epochs)}", remedy="Set them in order, as [20,40]."
            )
        if not 0 < decay_factor <= 1:
            raise InputError(
                expected="a factor above 0, at most 1", got=f"schedule.decay_factor={decay_factor}", remedy="Set schedule.decay_factor=0.1."
            )
        self.decay_epochs, self.decay_factor = tuple(decay_epochs), decay_factor

    def lr_at(self, *, step: float, base_lr: float, steps_per_epoch: float) -> float:
        """Learning rate of optimizer step `step`, counted from 0 in steps of the present size."""
        passed = sum(step >= round(epoch * steps_per_epoch) for epoch in self.decay_epochs)
        return float(base_lr * self.decay_factor**passed)
