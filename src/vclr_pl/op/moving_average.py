"""Exponential moving average of a list of tensors, in place and all at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def follow(own: Sequence[Tensor], other: Sequence[Tensor], *, momentum: float) -> None:
    """own <- momentum x own + (1 - momentum) x other, element by element (MoCo, eq. 2)."""
    torch._foreach_lerp_(list(own), list(other), 1.0 - momentum)
