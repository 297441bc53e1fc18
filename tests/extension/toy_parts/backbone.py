"""A backbone."""

from __future__ import annotations

from torch import Tensor, nn

from vclr_pl.types import Normalization


class OneConvolution(nn.Module):
    """Frames `[N, 3, H, W]` to features `[N, width]`."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.feature_dim = width
        self.takes_clips = False
        self.input_normalization = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        self.layers = nn.Sequential(nn.Conv2d(3, width, 8, stride=4), nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, frames: Tensor) -> Tensor:
        return self.layers(frames).mean(dim=(2, 3))
