"""Numbers that must not be rounded: norms, losses and averages of low-precision features."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """`values` in float32, or as they are where they are float32 or float64 already."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def unit_norm(features: Tensor, *, dim: int = -1) -> Tensor:
    """Features scaled to unit L2 norm along `dim`, in float32 or wider."""
    return torch.nn.functional.normalize(at_least_float32(features), dim=dim)
