"""What the evaluation sees of a video: frames spread over all of it, center crop, normalized.

Legend: B videos, T frames, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from vclr_pl.data.decoding.protocol import scaled_size

CropBox = tuple[float, float, float, float]  # left, top, width, height, as fractions of the frame


def usual_short_side(crop_pixels: int) -> int:
    """To how many pixels the short side is resized before a crop of `crop_pixels`: 256 for 224, others in proportion."""
    return round(crop_pixels * 256 / 224)


class EvaluationView:
    """The published protocol: `frames` of the video at round(linspace(1, n, frames)), all if it has fewer; center crop of `crop_pixels`.

    `short_side_pixels` resizes before the crop; None crops from the stored size, as the release does (it expects 340 x 256). Frames
    smaller than the crop are padded with black, as torchvision's center crop does.
    """

    def __init__(
        self, *, frames: int, crop_pixels: int, short_side_pixels: int | None, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.frames, self.crop_pixels, self.short_side_pixels = frames, crop_pixels, short_side_pixels
        self.mean, self.std = tuple(mean), tuple(std)

    @property
    def in_words(self) -> str:
        """Which pixels of which frames are seen."""
        side = "the stored size" if self.short_side_pixels is None else f"a short side of {self.short_side_pixels} pixels"
        return f"{self.frames} frames a video, center crop of {self.crop_pixels} pixels from {side}"

    def indices(self, frame_count: int) -> list[int]:
        """0-based, ascending; `frames` of them, or all if there are fewer."""
        if frame_count <= self.frames:
            return list(range(frame_count))
        return [int(place) - 1 for place in np.round(np.linspace(1, frame_count, self.frames))]

    def geometry(self, frames: Tensor) -> Tensor:
        """uint8 `[T, C, H, W]` to uint8 `[T, C, crop_pixels, crop_pixels]`."""
        if self.short_side_pixels is not None:
            size = scaled_size(height=frames.shape[-2], width=frames.shape[-1], short_side_pixels=self.short_side_pixels)
            frames = functional.resize(frames, list(size), antialias=True)
        cropped: Tensor = functional.center_crop(frames, [self.crop_pixels, self.crop_pixels])
        return cropped

    def crop_box(self, *, height: int, width: int) -> CropBox:
        """Where in a frame of this size the center crop is."""
        size = scaled_size(height=height, width=width, short_side_pixels=self.short_side_pixels)
        tall, wide = (min(1.0, self.crop_pixels / length) for length in size)
        return (1 - wide) / 2, (1 - tall) / 2, wide, tall

    def seen_fraction(self, *, height: int, width: int) -> float:
        """Which share of the area of a frame of this size the network sees."""
        _, _, wide, tall = self.crop_box(height=height, width=width)
        return wide * tall

    def normalize(self, frames: Tensor) -> Tensor:
        """uint8 `[..., C, H, W]` to float32, (value / 255 - mean) / std within 1e-6, on the frames' device.

        Channels lie last underneath (`channels_last`, what convolutions take without another copy): one pass turns them around, one
        scales and shifts whole rows of pixels.
        """
        pixels = frames.movedim(-3, -1).to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        mean, std = torch.tensor(self.mean, dtype=torch.float64), torch.tensor(self.std, dtype=torch.float64)
        scale, shift = (
            factor_C.float().repeat(frames.shape[-1]).to(frames.device, non_blocking=True) for factor_C in (1 / (255 * std), -mean / std)
        )
        rows = pixels.flatten(-2)
        torch.addcmul(shift, rows, scale, out=rows)
        return pixels.movedim(-1, -3)
