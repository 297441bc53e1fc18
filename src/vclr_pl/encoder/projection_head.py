"""The projection head of the paper: Linear(F, F), ReLU, Linear(F, D), no batch norm (MoCo v2, Chen et al. 2020)."""

from __future__ import annotations

from torch import nn


class ProjectionHead(nn.Sequential):
    """Pooled features `[..., F]` to projections `[..., D]`, not normalized; children are named 0, 1, 2 as published.

    Args:
        feature_dim: F, given by the backbone.
        dim: D.
    """

    def __init__(self, *, feature_dim: int, dim: int) -> None:
        super().__init__(nn.Linear(feature_dim, feature_dim), nn.ReLU(), nn.Linear(feature_dim, dim))
        self.dim = dim
