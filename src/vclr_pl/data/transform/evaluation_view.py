"""Frames, crops and normalization of videos in evaluation.

Legend: B videos, T frames, C channels, H W pixels, R crops.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from vclr_pl.data.sampling import segment_centers
from vclr_pl.types import InputError, NarrowView, usual_short_side
from vclr_pl.video.protocol import scaled_size

CropBox = tuple[float, float, float, float]  # left, top, width, height, as fractions of the frame


class EvaluationView:
    """The published protocol: the frames round(linspace(1, n, frames)), all if there are fewer; center crop of `crop_pixels`.

    `short_side_pixels` resizes before the crop; None crops from the stored size, as the published code does (it expects 340 x 256). Frames
    smaller than the crop are padded with black, as torchvision's center crop does.
    """

    def __init__(
        self, *, frames: int, crop_pixels: int, short_side_pixels: int | None, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.frames, self.crop_pixels, self.short_side_pixels = frames, crop_pixels, short_side_pixels
        self.mean, self.std = tuple(mean), tuple(std)

    @property
    def in_words(self) -> str:
        """Frames, resize and crop, in words."""
        side = "the stored size" if self.short_side_pixels is None else f"a short side of {self.short_side_pixels} pixels"
        return f"{self.frames} frames per video, center crop of {self.crop_pixels} pixels from {side}"

    def indices(self, frame_count: int) -> list[int]:
        """Frame indices from 0, ascending; `frames` of them, or all if there are fewer."""
        if frame_count <= self.frames:
            return list(range(frame_count))
        return [int(number) - 1 for number in np.round(np.linspace(1, frame_count, self.frames))]

    def crop(self, frames: Tensor) -> Tensor:
        """uint8 `[T, C, H, W]` to uint8 `[T, C, crop_pixels, crop_pixels]`."""
        if self.short_side_pixels is not None:
            size = scaled_size(height=frames.shape[-2], width=frames.shape[-1], short_side_pixels=self.short_side_pixels)
            frames = functional.resize(frames, list(size), antialias=True)
        cropped: Tensor = functional.center_crop(frames, [self.crop_pixels, self.crop_pixels])
        return cropped

    def crop_box(self, *, height: int, width: int) -> CropBox:
        """The center crop of a frame of this size."""
        size = scaled_size(height=height, width=width, short_side_pixels=self.short_side_pixels)
        tall, wide = (min(1.0, self.crop_pixels / length) for length in size)
        return (1 - wide) / 2, (1 - tall) / 2, wide, tall

    def seen_fraction(self, *, height: int, width: int) -> float:
        """The fraction of a frame's area that the crop covers."""
        _, _, wide, tall = self.crop_box(height=height, width=width)
        return wide * tall

    def normalize(self, frames: Tensor, *, clips: bool = False) -> Tensor:
        """uint8 frames `[..., C, H, W]`, or clips `[..., C, t, H, W]`, to float32: (value / 255 - mean) / std within 1e-6.

        The memory format is `channels_last`, which convolutions need: one pass transposes the values, one
        scales and shifts them.
        """
        channel = -4 if clips else -3
        pixels = frames.movedim(channel, -1).to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        mean, std = torch.tensor(self.mean, dtype=torch.float64), torch.tensor(self.std, dtype=torch.float64)
        scale, shift = (
            factor_C.float().repeat(frames.shape[-1]).to(frames.device, non_blocking=True) for factor_C in (1 / (255 * std), -mean / std)
        )
        rows = pixels.flatten(-2)
        torch.addcmul(shift, rows, scale, out=rows)
        return pixels.movedim(-1, channel)


CROPS = ("center", "three", "ten")
TestCrop = tuple[int, int, bool]  # top, left in pixels, mirrored


class RecognitionView(EvaluationView):
    """The test view of recognition; replaces `EvaluationView`.

    Args:
        segments: equal segments of the video; the center frame of each is used.
        crop_pixels: height and width of a crop.
        short_side_pixels: short side of the frame before the crop.
        crops: `center`, `three` (both ends of the long side and the center) or `ten` (corners and center, each mirrored too).
        mean, std: normalization of RGB in 0 to 1.

    Raises:
        InputError: no segments, an unknown `crops`, or several crops larger than the short side.
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
                expected="at least one test segment", got=f"evaluation_view.segments={segments}", hint="Set evaluation_view.segments=25."
            )
        if crops not in CROPS:
            raise InputError(
                expected=f"evaluation_view.crops to be one of {', '.join(CROPS)}", got=crops, hint="Set evaluation_view.crops=center."
            )
        if crop_pixels > short_side_pixels:
            raise InputError(
                expected="crops no larger than the short side",
                got=f"evaluation_view.crop_pixels={crop_pixels}, short_side_pixels={short_side_pixels}",
                hint=f"Set evaluation_view.short_side_pixels={crop_pixels} or more.",
            )
        super().__init__(frames=segments, crop_pixels=crop_pixels, short_side_pixels=short_side_pixels, mean=mean, std=std)
        self.crops = crops

    def indices(self, frame_count: int) -> list[int]:
        """Frame indices, ascending, one per segment."""
        return segment_centers(frame_count=frame_count, segments=self.frames)

    def crop(self, frames: Tensor) -> Tensor:
        """uint8 `[T, C, H, W]` to uint8 `[R T, C, crop_pixels, crop_pixels]`: all frames of the first crop, then those of the next."""
        size = scaled_size(height=frames.shape[-2], width=frames.shape[-1], short_side_pixels=self.short_side_pixels)
        resized = functional.resize(frames, list(size), antialias=True) if size != tuple(frames.shape[-2:]) else frames
        side = self.crop_pixels
        shown = []
        for top, left, mirrored in self.test_crops(height=size[0], width=size[1]):
            crop = resized[..., top : top + side, left : left + side]
            shown.append(crop.flip(-1) if mirrored else crop)
        return torch.cat(shown)

    def seen_fraction(self, *, height: int, width: int) -> float:
        """The fraction of a frame's area that the crops cover together."""
        tall, wide = scaled_size(height=height, width=width, short_side_pixels=self.short_side_pixels)
        seen = np.zeros((tall, wide), bool)
        for top, left, _ in self.test_crops(height=tall, width=wide):
            seen[top : top + self.crop_pixels, left : left + self.crop_pixels] = True
        return float(seen.mean())

    def test_crops(self, *, height: int, width: int) -> list[TestCrop]:
        """The crops of a frame of this size, in the order of mmaction2 0.11 (CenterCrop, ThreeCrop, TenCrop)."""
        side = self.crop_pixels
        if self.crops == "center":
            return [((height - side) // 2, (width - side) // 2, False)]
        if self.crops == "three":
            down, right = (height - side) // 2, (width - side) // 2
            return [(down * step, right, False) if height > width else (down, right * step, False) for step in (0, 2, 1)]
        down, right = (height - side) // 4, (width - side) // 4
        corners = [(0, 0), (0, 4 * right), (4 * down, 0), (4 * down, 4 * right), (2 * down, 2 * right)]
        return [(top, left, mirrored) for top, left in corners for mirrored in (False, True)]


logger = logging.getLogger(__name__)

LEAST_FRACTION = 1 / 3


def narrow_view(view: EvaluationView, *, path: str, height: int, width: int) -> tuple[NarrowView, ...]:
    """The video at `path` if the crop of `view` covers less than a third of its frames' area, else empty."""
    seen = view.seen_fraction(height=height, width=width)
    if seen >= LEAST_FRACTION:
        return ()
    return (NarrowView(path=path, width_pixels=width, height_pixels=height, crop_pixels=view.crop_pixels, seen_fraction=seen),)


class NarrowViewWarning:
    """Warns at the first video whose frames the crop covers to less than a third.

    Args:
        view: the evaluation view of the videos.
        option: the config node of the view.
    """

    def __init__(self, *, view: EvaluationView, option: str) -> None:
        self.view, self.option, self.given = view, option, False

    def observe(self, narrow: Sequence[NarrowView]) -> None:
        """Report the narrow views of one batch, in the process that logs."""
        if self.given or not narrow:
            return
        self.given = True
        first, usual = narrow[0], usual_short_side(narrow[0].crop_pixels)
        side = self.view.short_side_pixels
        hint = f"; {self.option}.short_side_pixels={usual} covers more" if side is None or side > usual else ""
        logger.warning(
            "the crop of %d pixels covers %.0f%% of the frames of %s (%dx%d)%s",
            first.crop_pixels,
            100 * first.seen_fraction,
            first.path,
            first.width_pixels,
            first.height_pixels,
            hint,
        )
