"""A small network, and a handful of segments."""

from __future__ import annotations

import torch

from vclr_pl.localization.bmn import BMN
from vclr_pl.localization.loss import BMNLoss

POSITIONS, FEATURES = 12, 6
SEGMENTS = [torch.tensor([[0.1, 0.55], [0.6, 0.95]]), torch.tensor([[0.0, 1.0]]), torch.zeros(0, 2)]


def small_bmn(*, feature_dim: int = FEATURES, positions: int = POSITIONS, seed: int = 0) -> BMN:
    torch.manual_seed(seed)
    return BMN(
        feature_dim=feature_dim,
        positions=positions,
        boundary_ratio=0.5,
        samples=4,
        points_per_sample=3,
        hidden_1d=8,
        hidden_2d=6,
        hidden_3d=10,
    )


def published_loss() -> BMNLoss:
    return BMNLoss(
        boundary_weight=1.0,
        regression_weight=10.0,
        classification_weight=1.0,
        boundary_threshold=0.5,
        high_tiou=0.7,
        low_tiou=0.3,
        classification_threshold=0.9,
        balance_range=(1.05, 21.0),
    )
