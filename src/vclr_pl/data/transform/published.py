"""The published augmentation as it was run: picture by picture with PIL, all of it in the worker.

Slower than `ContrastiveTransform` and `Photometric` together, and the same in distribution; it is here to compare with, and to repeat the
published numbers to the rounding of 8 bits after every operation. Use it with `photometric=normalize`, which only normalizes.

Legend: C channels, T frames of a clip, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.contrastive import ContrastiveTransform
from vclr_pl.data.transform.photometric import (
    BLUR_SIGMA,
    BRIGHTNESS,
    CONTRAST,
    FLIP,
    GRAY,
    HUE,
    ORDER,
    ORDERS,
    SATURATION,
    Photometric,
)

_ADJUST = {
    BRIGHTNESS: functional.adjust_brightness,
    CONTRAST: functional.adjust_contrast,
    SATURATION: functional.adjust_saturation,
    HUE: functional.adjust_hue,
}


class PublishedTransform:
    """Random resized crop, color jitter, gray, PIL's Gaussian blur, flip, on uint8. Takes the place of `ContrastiveTransform`.

    `photometric` is what to draw from; it is applied here.
    """

    def __init__(self, *, size_pixels: int, scale: Sequence[float], ratio: Sequence[float], photometric: Photometric) -> None:
        self.size_pixels, self.photometric = size_pixels, photometric
        self._crop = ContrastiveTransform(size_pixels=size_pixels, scale=scale, ratio=ratio)

    def geometry(self, frame: Tensor, generator: np.random.Generator) -> Tensor:
        """uint8 `[C, H, W]` or `[C, T, H, W]` to the same with H = W = `size_pixels`; one draw for all T frames of a clip."""
        crop = self._crop.draw_crop(height=frame.shape[-2], width=frame.shape[-1], generator=generator)
        row = self.photometric.draw(1, generator)[0].tolist()
        if frame.ndim == 3:
            return self._view(frame, crop, row)
        return torch.stack([self._view(picture, crop, row) for picture in frame.unbind(1)], dim=1)

    def _view(self, frame_CHW: Tensor, crop: tuple[int, int, int, int], row: list[float]) -> Tensor:
        top, left, height, width = crop
        picture = Image.fromarray(frame_CHW.permute(1, 2, 0).contiguous().numpy())
        box = (left, top, left + width, top + height)
        picture = picture.resize((self.size_pixels, self.size_pixels), Image.Resampling.BILINEAR, box=box)
        for operation in ORDERS[int(row[ORDER])]:
            if row[operation] != (0.0 if operation == HUE else 1.0):
                picture = _ADJUST[operation](picture, row[operation])
        if row[GRAY]:
            picture = picture.convert("L").convert("RGB")
        if row[BLUR_SIGMA]:
            picture = picture.filter(ImageFilter.GaussianBlur(radius=row[BLUR_SIGMA]))
        if row[FLIP]:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
