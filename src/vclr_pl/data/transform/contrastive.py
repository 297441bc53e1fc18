"""The worker's half of a view: a random resized crop, on uint8.

Legend: C channels, T frames of a clip, H W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

ATTEMPTS = 10  # as torchvision's RandomResizedCrop, after which the largest allowed center crop is taken


class ContrastiveTransform:
    """Random resized crop to `size_pixels`, of `scale` of the area and `ratio` (width over height) of the shape, bilinear, antialiased.

    Follows `torchvision.transforms.RandomResizedCrop` in distribution, with draws from a numpy Generator.
    """

    def __init__(self, *, size_pixels: int, scale: Sequence[float], ratio: Sequence[float]) -> None:
        self.size_pixels = size_pixels
        self.scale, self.ratio = (float(scale[0]), float(scale[1])), (float(ratio[0]), float(ratio[1]))

    def geometry(self, frame: Tensor, generator: np.random.Generator) -> Tensor:
        """uint8 `[C, H, W]` or `[C, T, H, W]` to the same with H = W = `size_pixels`; one crop for all T frames of a clip."""
        top, left, height, width = self.draw_crop(height=frame.shape[-2], width=frame.shape[-1], generator=generator)
        pictures = frame.transpose(0, 1) if frame.ndim == 4 else frame[None]
        window = pictures[..., top : top + height, left : left + width]
        # Packed with the channels innermost, as decoders give frames, a window is resized in 0.6 of the time and to the same bytes.
        packed = window.contiguous(memory_format=torch.channels_last)
        resized = functional.interpolate(packed, size=(self.size_pixels, self.size_pixels), mode="bilinear", antialias=True)
        return resized.transpose(0, 1) if frame.ndim == 4 else resized[0]

    def draw_crop(self, *, height: int, width: int, generator: np.random.Generator) -> tuple[int, int, int, int]:
        """(top, left, height, width) in pixels."""
        area = height * width
        for _ in range(ATTEMPTS):
            target = area * generator.uniform(*self.scale)
            ratio = math.exp(generator.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            crop_width, crop_height = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
            if 0 < crop_width <= width and 0 < crop_height <= height:
                top, left = generator.integers(height - crop_height + 1), generator.integers(width - crop_width + 1)
                return int(top), int(left), crop_height, crop_width
        return self._center_crop(height=height, width=width)

    def _center_crop(self, *, height: int, width: int) -> tuple[int, int, int, int]:
        crop_height, crop_width = height, width
        if width / height < self.ratio[0]:
            crop_height = round(width / self.ratio[0])
        elif width / height > self.ratio[1]:
            crop_width = round(height * self.ratio[1])
        return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width
