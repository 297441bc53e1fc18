"""Progressive resolution: small views in the first epochs, which cost less, and views of the full size in the last."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from vclr_pl.types import InputError

LARGE_PIXELS = 112  # views of at least this side grow in steps of 32 pixels, a network's usual stride; smaller ones in steps of 8
LARGE_STEP, SMALL_STEP = 32, 8


@dataclass(frozen=True)
class ProgressiveResolution:
    """The side of the views in each epoch. It grows linearly over the run, in steps.

    Not part of the published recipe. Similar: progressive learning of EfficientNetV2 (Tan and Le 2021, section 4), without its
    regularization that grows with the side.

    Args:
        first_pixels: the side in the first epoch.
        last_pixels: the side at the end.
        epochs: of the run.

    Raises:
        InputError: a first side that is not below the last, or a run without a number of epochs.
    """

    first_pixels: int
    last_pixels: int
    epochs: int

    def __post_init__(self) -> None:
        option = f"schedule.progressive_resolution={self.first_pixels}"
        if not SMALL_STEP <= self.first_pixels < self.last_pixels:
            expected = f"a first side from {SMALL_STEP} pixels to below transform.size_pixels={self.last_pixels}"
            raise InputError(expected=expected, got=option, hint="Set schedule.progressive_resolution=null for one size.")
        if self.epochs < 1:
            raise InputError(
                expected="trainer.max_epochs with schedule.progressive_resolution", got=option, hint="Set trainer.max_epochs=100."
            )

    def pixels(self, epoch: int) -> int:
        """The side in an epoch, counted from 0: a multiple of the step, or the last side."""
        step = LARGE_STEP if self.last_pixels >= LARGE_PIXELS else SMALL_STEP
        grown = self.first_pixels + (self.last_pixels - self.first_pixels) * epoch / max(1, self.epochs - 1)
        return min(self.last_pixels, max(self.first_pixels, step * round(grown / step))) if epoch + 1 < self.epochs else self.last_pixels

    @property
    def relative_work(self) -> float:
        """Pixels of all epochs together, as a fraction of those of the last side."""
        return sum(self.pixels(epoch) ** 2 for epoch in range(self.epochs)) / (self.epochs * self.last_pixels**2)

    def crop_of(self, transform: Any, *, epoch: int) -> Any:
        """The transform, which has `size_pixels`, for an epoch."""
        changed = copy.copy(transform)
        changed.size_pixels = self.pixels(epoch)
        return changed


def progressive_resolution(first_pixels: int | None, *, transform: object, epochs: int | None) -> ProgressiveResolution | None:
    """None for `first_pixels` None.

    Raises:
        InputError: see ProgressiveResolution; or a transform without `size_pixels`.
    """
    if first_pixels is None:
        return None
    last_pixels = getattr(transform, "size_pixels", None)
    if not isinstance(last_pixels, int):
        raise InputError(
            expected="a transform with size_pixels",
            got=f"schedule.progressive_resolution={first_pixels} with {type(transform).__name__}",
            hint="Set schedule.progressive_resolution=null.",
        )
    return ProgressiveResolution(first_pixels=first_pixels, last_pixels=last_pixels, epochs=epochs or 0)
