"""What recognition sees of a video at test: the centers of n segments, one, three or ten crops of each.

Legend: R crops, T frames, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from vclr_pl.data.decoding.protocol import scaled_size
from vclr_pl.data.recognition_sampling import segment_centers
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.types import InputError

CROPS = ("center", "three", "ten")
TestCrop = tuple[int, int, bool]  # top, left in pixels, mirrored


class RecognitionView(EvaluationView):
    """Takes the place of `EvaluationView`.

    Args:
        segments: of each the center frame is seen.
        crop_pixels: height and width of a crop.
        short_side_pixels: of the frame before the crop.
        crops: `center`, `three` (both ends of the long side and the center) or `ten` (corners and center, each mirrored too).
        mean, std: of the normalization, for RGB in 0 to 1.

    Raises:
        InputError: no segments, an unknown `crops`, or crops larger than the short side where there are several.
    """

    def __init__(
        self,
        *,
        segments: int,
        crop_pixels: int,
        short_side_pixels: int,
        crops: str,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        if segments < 1:
            raise InputError(
                expected="at least one test segment", got=f"evaluation_view.segments={segments}", remedy="Set evaluation_view.segments=25."
            )
        if crops not in CROPS:
            raise InputError(
                expected=f"evaluation_view.crops to be one of {', '.join(CROPS)}", got=crops, remedy="Set evaluation_view.crops=center."
            )
        if crop_pixels > short_side_pixels:
            raise InputError(
                expected="crops no larger than the short side",
                got=f"evaluation_view.crop_pixels={crop_pixels}, short_side_pixels={short_side_pixels}",
                remedy=f"Set evaluation_view.short_side_pixels={crop_pixels} or more.",
            )
        super().__init__(frames=segments, crop_pixels=crop_pixels, short_side_pixels=short_side_pixels, mean=mean, std=std)
        self.crops = crops

    def indices(self, frame_count: int) -> list[int]:
        """Ascending, always as many as segments."""
        return segment_centers(frame_count=frame_count, segments=self.frames)

    def geometry(self, frames: Tensor) -> Tensor:
        """uint8 `[T, C, H, W]` to uint8 `[R T, C, crop_pixels, crop_pixels]`: all frames of the first crop, then of the next."""
        size = scaled_size(height=frames.shape[-2], width=frames.shape[-1], short_side_pixels=self.short_side_pixels)
        resized = functional.resize(frames, list(size), antialias=True) if size != tuple(frames.shape[-2:]) else frames
        side = self.crop_pixels
        shown = []
        for top, left, mirrored in self.test_crops(height=size[0], width=size[1]):
            crop = resized[..., top : top + side, left : left + side]
            shown.append(crop.flip(-1) if mirrored else crop)
        return torch.cat(shown)

    def seen_fraction(self, *, height: int, width: int) -> float:
        """Of all crops together."""
        tall, wide = scaled_size(height=height, width=width, short_side_pixels=self.short_side_pixels)
        seen = np.zeros((tall, wide), bool)
        for top, left, _ in self.test_crops(height=tall, width=wide):
            seen[top : top + self.crop_pixels, left : left + self.crop_pixels] = True
        return float(seen.mean())

    def test_crops(self, *, height: int, width: int) -> list[TestCrop]:
        """Of a frame of this size, in the published order (mmaction2 0.11: CenterCrop, ThreeCrop, TenCrop)."""
        side = self.crop_pixels
        if self.crops == "center":
            return [((height - side) // 2, (width - side) // 2, False)]
        if self.crops == "three":
            down, right = (height - side) // 2, (width - side) // 2
            return [(down * step, right, False) if height > width else (down, right * step, False) for step in (0, 2, 1)]
        down, right = (height - side) // 4, (width - side) // 4
        places = [(0, 0), (0, 4 * right), (4 * down, 0), (4 * down, 4 * right), (2 * down, 2 * right)]
        return [(top, left, mirrored) for top, left in places for mirrored in (False, True)]
