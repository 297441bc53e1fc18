"""One backbone and its projection heads: what the query side trains and the momentum side follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vclr_pl.backbone.feature_width import feature_dim_of


class VideoEncoder(nn.Module):
    """Frames or clips to pooled features; heads project them.

    Args:
        backbone: `[N, *view]` to `[N, F]`, with an attribute `feature_dim`.
        heads: head by name; each takes `[..., F]`.
    """

    def __init__(self, *, backbone: Any, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.feature_dim = feature_dim_of(backbone)
        self.backbone: nn.Module = backbone
        self.heads = nn.ModuleDict(dict(heads))

    def forward(self, frames: Tensor) -> Tensor:
        """`[N, *view]` to pooled features `[N, F]`."""
        features: Tensor = self.backbone(frames)
        return features

    def project(self, head: str, pooled: Tensor) -> Tensor:
        """`[..., F]` to what the head says of it, `[..., D]`."""
        projected: Tensor = self.heads[head](pooled)
        return projected
