"""Crops of training views, in the worker.

Legend: C channels, T frames of a clip, H W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.color_augmentation import ColorAugmentation
from vclr_pl.data.transform.fused_color import BLUR_SIGMA, BRIGHTNESS, CONTRAST, FLIP, GRAY, HUE, ORDER, ORDERS, SATURATION
from vclr_pl.types import InputError
from vclr_pl.video.protocol import scaled_size

ATTEMPTS = 10  # as in torchvision's RandomResizedCrop, which then takes the largest allowed center crop


class ContrastiveTransform:
    """Random resized crop to `size_pixels`, of `scale` of the area and `ratio` (width over height) of the shape, bilinear, antialiased.

    Follows `torchvision.transforms.RandomResizedCrop` in distribution, with draws from a numpy Generator.
    """

    def __init__(self, *, size_pixels: int, scale: Sequence[float], ratio: Sequence[float]) -> None:
        self.size_pixels = size_pixels
        self.scale, self.ratio = (float(scale[0]), float(scale[1])), (float(ratio[0]), float(ratio[1]))

    def crop(self, frame: Tensor, generator: np.random.Generator) -> Tensor:
        """uint8 `[C, H, W]` or `[C, T, H, W]` to the same with H = W = `size_pixels`; the same crop for all T frames of a clip."""
        top, left, height, width = self.draw_crop(height=frame.shape[-2], width=frame.shape[-1], generator=generator)
        pictures = frame.transpose(0, 1) if frame.ndim == 4 else frame[None]
        window = pictures[..., top : top + height, left : left + width]
        # In channels-last memory, as from decoders, resizing takes 0.6 of the time, with equal bytes.
        packed = window.contiguous(memory_format=torch.channels_last)
        resized = nn.functional.interpolate(packed, size=(self.size_pixels, self.size_pixels), mode="bilinear", antialias=True)
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


_ADJUST = {
    BRIGHTNESS: functional.adjust_brightness,
    CONTRAST: functional.adjust_contrast,
    SATURATION: functional.adjust_saturation,
    HUE: functional.adjust_hue,
}


class PublishedTransform:
    """Random resized crop, color jitter, gray, PIL's Gaussian blur, flip, on uint8. Replaces `ContrastiveTransform`.

    Slower than `ContrastiveTransform` and `ColorAugmentation` together, with the same distribution. It reproduces the published pipeline,
    including the rounding to 8 bits after every operation. Use it with `color_augmentation=normalize`, which only normalizes.

    Args:
        color_augmentation: distributions of the color operations, which are applied here.
    """

    def __init__(self, *, size_pixels: int, scale: Sequence[float], ratio: Sequence[float], color_augmentation: ColorAugmentation) -> None:
        self.size_pixels, self.color_augmentation = size_pixels, color_augmentation
        self._crop = ContrastiveTransform(size_pixels=size_pixels, scale=scale, ratio=ratio)

    def crop(self, frame: Tensor, generator: np.random.Generator) -> Tensor:
        """uint8 `[C, H, W]` or `[C, T, H, W]` to the same with H = W = `size_pixels`; the same operations for all T frames of a clip."""
        crop = self._crop.draw_crop(height=frame.shape[-2], width=frame.shape[-1], generator=generator)
        row = self.color_augmentation.draw(1, generator)[0].tolist()
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


CropBox = tuple[int, int, int, int]  # top, left, height, width in pixels
POSITIONS: dict[int, tuple[tuple[int, int], ...]] = {
    5: ((0, 0), (4, 0), (0, 4), (4, 4), (2, 2))
}  # (x, y) in quarters of the free space: the corners, the center
POSITIONS[13] = (*POSITIONS[5], (0, 2), (4, 2), (2, 4), (2, 0), (1, 1), (3, 1), (1, 3), (3, 3))  # the middles of the edges, the quarters
SNAP_PIXELS = 3  # a crop whose size differs by less than this from the output gets the output's size


class RandomResizedVideoCrop:
    """A crop of `scale` of the area and `ratio` (width over height) of the shape, resized to `size_pixels`; see `ContrastiveTransform`."""

    def __init__(self, *, short_side_pixels: int, size_pixels: int, scale: Sequence[float], ratio: Sequence[float]) -> None:
        self.short_side_pixels, self.size_pixels = short_side_pixels, size_pixels
        self._crop = ContrastiveTransform(size_pixels=size_pixels, scale=scale, ratio=ratio)

    def crop(self, frame: Tensor, generator: np.random.Generator) -> Tensor:
        """uint8 `[C, H, W]` or `[C, T, H, W]` to the same with H = W = `size_pixels`."""
        return self._crop.crop(resized_short_side(frame, short_side_pixels=self.short_side_pixels), generator)


class MultiScaleVideoCrop:
    """A crop with height and width drawn from `scales` of the short side, at one of `positions` positions (Wang et al. 2016, 3.3).

    Args:
        short_side_pixels: short side of the frame before the crop.
        size_pixels: height and width of the result.
        scales: fractions of the short side, descending; height and width are equal or neighbors in this list.
        positions: 5 (corners and center) or 13 (also the middles of the edges and the quarters).

    Raises:
        InputError: another number of positions, or a scale outside (0, 1].
    """

    def __init__(self, *, short_side_pixels: int, size_pixels: int, scales: Sequence[float], positions: int) -> None:
        if positions not in POSITIONS:
            raise InputError(expected="5 or 13 positions", got=f"transform.positions={positions}", hint="Set transform.positions=13.")
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise InputError(
                expected="scales above 0, at most 1", got=f"transform.scales={list(scales)}", hint="Set [1, 0.875, 0.75, 0.66]."
            )
        self.short_side_pixels, self.size_pixels = short_side_pixels, size_pixels
        self.scales, self.positions = tuple(scales), positions

    def crop(self, frame: Tensor, generator: np.random.Generator) -> Tensor:
        """uint8 `[C, H, W]` or `[C, T, H, W]` to the same with H = W = `size_pixels`."""
        resized = resized_short_side(frame, short_side_pixels=self.short_side_pixels)
        crops = self.crops(height=resized.shape[-2], width=resized.shape[-1])
        return cropped_to(resized, crops[int(generator.integers(len(crops)))], size_pixels=self.size_pixels)

    def crops(self, *, height: int, width: int) -> list[CropBox]:
        """All crops of a frame, equally likely; by size, then by position."""
        return [
            (y * ((height - crop_height) // 4), x * ((width - crop_width) // 4), crop_height, crop_width)
            for crop_height, crop_width in self._sizes(short_side=min(height, width))
            for x, y in POSITIONS[self.positions]
        ]

    def _sizes(self, *, short_side: int) -> list[tuple[int, int]]:
        sides = [int(short_side * scale) for scale in self.scales]
        sides = [
            self.size_pixels if abs(side - self.size_pixels) < SNAP_PIXELS and self.size_pixels <= short_side else side for side in sides
        ]
        indices = range(len(sides))
        return [(sides[row], sides[column]) for row in indices for column in indices if abs(row - column) <= 1]


def resized_short_side(frame: Tensor, *, short_side_pixels: int) -> Tensor:
    """uint8 `[C, H, W]` or `[C, T, H, W]` with the short side at `short_side_pixels` and the aspect kept, bilinear, antialiased."""
    size = scaled_size(height=frame.shape[-2], width=frame.shape[-1], short_side_pixels=short_side_pixels)
    if size == tuple(frame.shape[-2:]):
        return frame
    return _of_pictures(frame, lambda pictures: functional.resize(pictures, list(size), antialias=True))


def cropped_to(frame: Tensor, crop: CropBox, *, size_pixels: int) -> Tensor:
    """The crop, resized to a square of `size_pixels`."""
    size = [size_pixels, size_pixels]
    return _of_pictures(frame, lambda pictures: functional.resized_crop(pictures, *crop, size, antialias=True))


def _of_pictures(frame: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a torchvision function to the last two dimensions; it needs C before them, so a clip is passed as `[T, C, H, W]`."""
    return change(frame.transpose(0, 1)).transpose(0, 1) if frame.ndim == 4 else change(frame)
