"""Seeded unit-norm features for the terms' tests."""

from __future__ import annotations

import torch
from torch import Tensor

SHAPES = [(1, 2, 3, 4), (2, 3, 5, 4), (5, 3, 16, 8), (4, 4, 7, 3)]  # B videos, S segments, K queue rows, D projection


def unit_rows(*shape: int, seed: int) -> Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=-1)
