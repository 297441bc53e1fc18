"""One procedural video: what is drawn at random, and the frames that follow from it.

    a video  = 3 thirds, each shows one kind of object; the class is the set of the three kinds, in any order
    a third  = 2 shots, each with its own background, object positions, speeds, turn, hue, and brightness
    constant = exposure, contrast, saturation, object size: what the pretraining augmentation attacks

Legend: T frames of a shot, N copies of the object, H W pixels.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vclr_pl.data.demo.glyph import KINDS, Field

THIRDS = 3
SHOTS_PER_THIRD = 2


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """How varied the videos look. Every range is uniform; hues are fractions of the color circle.

    Args:
        copies: objects in a frame, all of one kind.
        hue_spread: a kind's hue lies within ± this of its own sixth of the circle.
        radius_fraction: least and largest object radius, as a fraction of the frame's side; constant in a video.
        background_saturation: of the two background colors, 0 (gray) to 1.
        stripe_contrast: largest amplitude of the background's stripes, 0 to 1.
        speed_fraction: largest step of an object from frame to frame, as a fraction of the frame's side.
        exposure_range: least and largest brightness factor; constant in a video.
        contrast_range: least and largest factor about middle gray and about each pixel's own gray; constant in a video.
    """

    copies: int
    hue_spread: float
    radius_fraction: tuple[float, float]
    background_saturation: float
    stripe_contrast: float
    speed_fraction: float
    exposure_range: tuple[float, float]
    contrast_range: tuple[float, float]


def render_scene(
    *, kinds: tuple[int, int, int], frames: int, size_pixels: int, appearance: Appearance, generator: Generator
) -> NDArray[np.uint8]:
    """RGB frames `[frames, size, size, 3]` of a video that shows the kinds in an order drawn by the generator."""
    order = generator.permutation(THIRDS)
    radius_pixels = size_pixels * generator.uniform(*appearance.radius_fraction)
    shots = [
        _render_shot(kinds[order[third]], shot_frames, size_pixels, radius_pixels, appearance, generator)
        for third in range(THIRDS)
        for shot_frames in _shot_lengths(frames * (third + 1) // THIRDS - frames * third // THIRDS, generator)
    ]
    video = _develop(np.concatenate(shots), appearance, generator)
    pixels: NDArray[np.uint8] = np.rint(video * 255.0).astype(np.uint8)
    return pixels


def _shot_lengths(frames: int, generator: Generator) -> list[int]:
    cut = frames // SHOTS_PER_THIRD + (int(generator.integers(2)) if frames % SHOTS_PER_THIRD else 0)
    return [cut, frames - cut]


def _render_shot(kind: int, frames: int, size_pixels: int, radius_pixels: float, appearance: Appearance, generator: Generator) -> Field:
    rows_HW, columns_HW = np.meshgrid(*[np.arange(size_pixels, dtype=np.float32)] * 2, indexing="ij")
    pan_T2 = _pan(frames, size_pixels * appearance.speed_fraction, generator)
    background_THW3 = _background(rows_HW + pan_T2[:, :1, None], columns_HW + pan_T2[:, 1:, None], size_pixels, appearance, generator)
    inside_THW = _objects(kind, frames, rows_HW, columns_HW, radius_pixels, appearance, generator)[..., None]
    hue = kind / len(KINDS) + generator.uniform(-appearance.hue_spread, appearance.hue_spread)
    color_3 = _rgb(hue, generator.uniform(0.75, 1.0), generator.uniform(0.6, 1.0))
    return background_THW3 + inside_THW * (color_3 - background_THW3)


def _pan(frames: int, speed_pixels: float, generator: Generator) -> Field:
    """`[T, 2]` row and column of the camera, in pixels."""
    steps = np.arange(frames, dtype=np.float32)[:, None]
    return steps * generator.uniform(-speed_pixels, speed_pixels, size=2).astype(np.float32)


def _background(rows_THW: Field, columns_THW: Field, size_pixels: int, appearance: Appearance, generator: Generator) -> Field:
    """`[T, H, W, 3]`: a gradient between two colors, with faint stripes."""
    near_3, far_3 = (_rgb(generator.random(), appearance.background_saturation, generator.uniform(0.2, 0.9)) for _ in range(2))
    slope, turn = generator.uniform(0.0, 2.0 * math.pi, size=2).tolist()
    period_pixels = size_pixels * generator.uniform(0.1, 0.4)
    amplitude = generator.uniform(0.0, appearance.stripe_contrast)
    along_THW = (rows_THW * math.sin(slope) + columns_THW * math.cos(slope)) / size_pixels
    mix_THW1 = np.clip(0.5 + 0.5 * along_THW, 0.0, 1.0)[..., None]
    wave_THW1 = np.sin((rows_THW * math.sin(turn) + columns_THW * math.cos(turn)) * (2.0 * math.pi / period_pixels))[..., None]
    background_THW3 = near_3 + mix_THW1 * (far_3 - near_3) + amplitude * wave_THW1
    return background_THW3.astype(np.float32, copy=False)


def _objects(
    kind: int, frames: int, rows_HW: Field, columns_HW: Field, radius_pixels: float, appearance: Appearance, generator: Generator
) -> Field:
    """`[T, H, W]` share of each pixel that an object covers, 0 to 1."""
    size_pixels = rows_HW.shape[0]
    side = int(np.ceil(np.sqrt(appearance.copies)))
    cells = generator.permutation(side * side)[: appearance.copies]
    distance_THW = np.full((frames, size_pixels, size_pixels), np.inf, dtype=np.float32)
    for cell in cells:
        # one copy a cell: a crop of a fifth of the frame then seldom misses all of them
        start_2 = (np.array(divmod(int(cell), side)) + generator.uniform(0.15, 0.85, size=2)) * (size_pixels / side)
        speed_2 = size_pixels * generator.uniform(-appearance.speed_fraction, appearance.speed_fraction, size=2)
        center_T2 = start_2 + np.arange(frames)[:, None] * speed_2
        angle_T = generator.uniform(0.0, 2.0 * np.pi) + np.arange(frames) * generator.uniform(-0.3, 0.3)
        cosine_T, sine_T = (f(angle_T).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
        down_THW = rows_HW - center_T2[:, 0, None, None].astype(np.float32)
        right_THW = columns_HW - center_T2[:, 1, None, None].astype(np.float32)
        turned = right_THW * cosine_T + down_THW * sine_T, down_THW * cosine_T - right_THW * sine_T
        np.minimum(distance_THW, KINDS[kind][1](*turned, radius_pixels), out=distance_THW)
    covered_THW: Field = np.clip(0.5 - distance_THW, 0.0, 1.0)
    return covered_THW


def _develop(video_THW3: Field, appearance: Appearance, generator: Generator) -> Field:
    """The same exposure, contrast and saturation for every frame of a video, clipped to 0..1."""
    exposure = generator.uniform(*appearance.exposure_range)
    contrast, saturation = generator.uniform(*appearance.contrast_range, size=2).tolist()
    contrasted_THW3 = (video_THW3 * exposure - 0.5) * contrast + 0.5
    gray_THW1 = contrasted_THW3.mean(axis=-1, keepdims=True)
    developed_THW3: Field = np.clip(gray_THW1 + (contrasted_THW3 - gray_THW1) * saturation, 0.0, 1.0)
    return developed_THW3


def _rgb(hue: float, saturation: float, brightness: float) -> Field:
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, brightness), dtype=np.float32)
