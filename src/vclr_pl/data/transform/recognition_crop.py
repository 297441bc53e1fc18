"""The worker's half of recognition in training: a resize of the short side, then one crop for all frames of a video, on uint8.

Legend: C channels, T frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional

from vclr_pl.data.decoding.protocol import scaled_size
from vclr_pl.data.transform.contrastive import ContrastiveTransform
from vclr_pl.types import InputError

Crop = tuple[int, int, int, int]  # top, left, height, width in pixels
POSITIONS: dict[int, tuple[tuple[int, int], ...]] = {
    5: ((0, 0), (4, 0), (0, 4), (4, 4), (2, 2))
}  # (x, y) in quarters of what the crop leaves: the corners, the center
POSITIONS[13] = (*POSITIONS[5], (0, 2), (4, 2), (2, 4), (2, 0), (1, 1), (3, 1), (1, 3), (3, 3))  # the edges' middles, the quarters
SNAP_PIXELS = 3  # a crop this near to the output's size is of that size


class RandomResizedVideoCrop:
    """A crop of `scale` of the area and `ratio` (width over height) of the shape, resized to `size_pixels`; see `ContrastiveTransform`."""

    def __init__(self, *, short_side_pixels: int, size_pixels: int, scale: Sequence[float], ratio: Sequence[float]) -> None:
        self.short_side_pixels, self.size_pixels = short_side_pixels, size_pixels
        self._crop = ContrastiveTransform(size_pixels=size_pixels, scale=scale, ratio=ratio)

    def geometry(self, frame: Tensor, generator: np.random.Generator) -> Tensor:
        """uint8 `[C, H, W]` or `[C, T, H, W]` to the same with H = W = `size_pixels`."""
        return self._crop.geometry(resized_short_side(frame, short_side_pixels=self.short_side_pixels), generator)


class MultiScaleVideoCrop:
    """A crop whose height and width are drawn from `scales` of the short side, at one of `positions` fixed places (Wang et al. 2016, 3.3).

    Args:
        short_side_pixels: of the frame before the crop.
        size_pixels: of the result.
        scales: of the short side, descending; height and width are neighbors in this list, or the same.
        positions: 5 (corners and center) or 13 (also the edges' middles and the quarters).

    Raises:
        InputError: another number of positions, or a scale outside (0, 1].
    """

    def __init__(self, *, short_side_pixels: int, size_pixels: int, scales: Sequence[float], positions: int) -> None:
        if positions not in POSITIONS:
            raise InputError(expected="5 or 13 positions", got=f"transform.positions={positions}", remedy="Set transform.positions=13.")
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise InputError(
                expected="scales above 0, at most 1", got=f"transform.scales={list(scales)}", remedy="Set [1, 0.875, 0.75, 0.66]."
            )
        self.short_side_pixels, self.size_pixels = short_side_pixels, size_pixels
        self.scales, self.positions = tuple(scales), positions

    def geometry(self, frame: Tensor, generator: np.random.Generator) -> Tensor:
        """uint8 `[C, H, W]` or `[C, T, H, W]` to the same with H = W = `size_pixels`."""
        resized = resized_short_side(frame, short_side_pixels=self.short_side_pixels)
        crops = self.crops(height=resized.shape[-2], width=resized.shape[-1])
        return cropped_to(resized, crops[int(generator.integers(len(crops)))], size_pixels=self.size_pixels)

    def crops(self, *, height: int, width: int) -> list[Crop]:
        """Every crop of a frame, each as likely as any other; sizes one after another, each at all positions."""
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
        places = range(len(sides))
        return [(sides[row], sides[column]) for row in places for column in places if abs(row - column) <= 1]


def resized_short_side(frame: Tensor, *, short_side_pixels: int) -> Tensor:
    """uint8 `[C, H, W]` or `[C, T, H, W]` with the short side at `short_side_pixels` and the aspect kept, bilinear, antialiased."""
    size = scaled_size(height=frame.shape[-2], width=frame.shape[-1], short_side_pixels=short_side_pixels)
    if size == tuple(frame.shape[-2:]):
        return frame
    return _of_pictures(frame, lambda pictures: functional.resize(pictures, list(size), antialias=True))


def cropped_to(frame: Tensor, crop: Crop, *, size_pixels: int) -> Tensor:
    """The crop, resized to a square of `size_pixels`."""
    size = [size_pixels, size_pixels]
    return _of_pictures(frame, lambda pictures: functional.resized_crop(pictures, *crop, size, antialias=True))


def _of_pictures(frame: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """torchvision changes the last two dimensions and wants C before them: a clip goes in as `[T, C, H, W]`."""
    return change(frame.transpose(0, 1)).transpose(0, 1) if frame.ndim == 4 else change(frame)
