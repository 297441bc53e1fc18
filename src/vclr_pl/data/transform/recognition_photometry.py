"""The device's half of recognition in training: a flip, or none, and the normalization. No color jitter, as published.

Legend: V views of a sample, N views of a batch, C = 3 channels, T frames of a clip, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vclr_pl.types import InputError


class FlipAndNormalize:
    """Takes the place of `Photometric`.

    Args:
        flip_probability: of a video, all of its frames together; 0 where left and right tell classes apart (Something-Something).
        mean, std: for RGB in 0 to 1.

    Raises:
        InputError: no probability.
    """

    def __init__(self, *, flip_probability: float, mean: Sequence[float], std: Sequence[float]) -> None:
        if not 0 <= flip_probability <= 1:
            raise InputError(
                expected="a probability", got=f"photometric.flip_probability={flip_probability}", remedy="Set 0.5, or 0 for no flip."
            )
        self.flip_probability, self.mean, self.std = flip_probability, tuple(mean), tuple(std)

    def draw(self, views: int, generator: np.random.Generator) -> Tensor:
        """float32 `[V, 1]`: 1 where the video is mirrored, one coin for all views."""
        return torch.full((views, 1), float(generator.random() < self.flip_probability))

    def apply(self, views: Tensor, parameters: Tensor) -> Tensor:
        """uint8 `[N, C, H, W]` or `[N, C, T, H, W]` and float32 `[N, 1]` to normalized float32 of the views' shape, on their device."""
        per_view = (-1, *(1,) * (views.ndim - 1))
        mirrored = torch.where(parameters.reshape(per_view) > 0, views.flip(-1), views) if self.flip_probability else views
        per_channel = (-1, *(1,) * (views.ndim - 2))
        mean, std = (torch.tensor(values).to(views.device, non_blocking=True).reshape(per_channel) for values in (self.mean, self.std))
        return mirrored.float().div_(255).sub_(mean).div_(std)
