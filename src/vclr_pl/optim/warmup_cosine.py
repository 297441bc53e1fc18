"""The published schedule in closed form: linear warm-up, then half a cosine, one value a step (VCLR, section 4.1)."""

from __future__ import annotations

import math


class WarmupCosine:
    """Learning rate as a function of the step alone, so that a resumed run continues where it was.

    Args:
        warmup_epochs: length of the warm-up; a fraction of an epoch counts.
        warmup_multiplier: the warm-up starts at base / multiplier.
        minimum_lr: where the cosine ends.
    """

    def __init__(self, *, warmup_epochs: float, warmup_multiplier: float, minimum_lr: float) -> None:
        self.warmup_epochs, self.warmup_multiplier, self.minimum_lr = warmup_epochs, warmup_multiplier, minimum_lr

    def lr_at(self, *, step: int, base_lr: float, steps_per_epoch: float, total_steps: int) -> float:
        """Learning rate of optimizer step `step`, counted from 0."""
        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup_steps:
            start = base_lr / self.warmup_multiplier
            return start + (base_lr - start) * step / warmup_steps
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return self.minimum_lr + (base_lr - self.minimum_lr) * (1.0 + math.cos(math.pi * progress)) / 2.0
