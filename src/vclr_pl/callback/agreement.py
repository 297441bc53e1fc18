"""What all ranks agree on after a batch: that the loss is finite, that a checkpoint is due, and that the run stops.

Ranks receive a signal at different moments, or only one does. The request to stop is a number in the collective of the other two, so it
needs none of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from vclr_pl.op.collective import largest_over_ranks
from vclr_pl.stop import stop_requested
from vclr_pl.types import InputError


@runtime_checkable
class StopsTogether(Protocol):
    """A callback that stops all ranks at the same step."""

    def seconds_per_batch(self) -> float:
        """On this rank."""

    def agree(self, *, signal: int, seconds_per_batch: float) -> None:
        """Take over what the ranks have agreed on: the signal, 0 for none, and the slowest rank's time."""


def agreed(trainer: Any, *, flag: bool) -> bool:
    """Whether `flag` is true on any rank. One collective, which also carries the ranks' requests to stop."""
    if trainer.world_size == 1:
        return flag
    stopping = [callback for callback in trainer.callbacks if isinstance(callback, StopsTogether)]
    seconds = max((callback.seconds_per_batch() for callback in stopping), default=0.0)
    any_flag, signal, slowest = largest_over_ranks(
        [float(flag), float(stop_requested() or 0), seconds], device=trainer.strategy.root_device
    )
    for callback in stopping:
        callback.agree(signal=int(signal), seconds_per_batch=slowest)
    return bool(any_flag)


def refuse_broken_loss(trainer: Any, values: Mapping[str, float]) -> None:
    """End the run on all ranks if a loss of one of them is not finite.

    Args:
        values: logged ones by name; losses are those that begin with `train/loss`.

    Raises:
        InputError: on all ranks together.
    """
    broken = [name for name, value in values.items() if name.startswith("train/loss") and not math.isfinite(value)]
    if agreed(trainer, flag=bool(broken)):
        raise InputError(
            expected="a finite loss",
            got=f"{', '.join(f'{name}={values[name]}' for name in broken) or 'another rank with none'} at step {trainer.global_step}",
            hint="Lower the lr, set trainer.gradient_clip_val=1 or trainer.precision=32-true; trainer.detect_anomaly=true names it.",
        )
