"""Draw the demo's videos.

Legend: T frames of a shot, H W pixels.

a video  = 3 thirds; what they show is the class (`tasks.py`)
    a third  = 2 shots, each with its own background, object positions, speeds, rotation, hue, and brightness
    constant = exposure, contrast, saturation, object size: the properties that pretraining augments
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vclr_pl.datasets.demo.kinds import KINDS, Field
from vclr_pl.datasets.demo.style import LUMA, STYLES, noisy
from vclr_pl.datasets.demo.tasks import Change, Motion, SceneClass, Third
from vclr_pl.types import InputError

THIRDS = 3
SHOTS_PER_THIRD = 2
# Motions that define a class, least and largest, from frame to frame
TRAVEL_FRACTION = (0.04, 0.08)  # of the frame's side
GROWTH_FACTOR = (1.15, 1.35)
TURN_RADIANS = (0.2, 0.4)
LATER = ("gray", "style", "noise")  # fields of `Appearance` that earlier versions lack


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """Variation of the videos' appearance. Ranges are sampled uniformly; hues are fractions of the color circle.

    Args:
        copies: objects in a frame, all of the same kind.
        hue_spread: largest deviation of a kind's hue from its sixth of the circle.
        radius_fraction: least and largest object radius, as a fraction of the frame's side; constant in a video.
        background_saturation: saturation of the two background colors, 0 (gray) to 1.
        stripe_contrast: largest amplitude of the background's stripes, 0 to 1.
        speed_fraction: largest step of an object from frame to frame, as a fraction of the frame's side.
        exposure_range: least and largest brightness factor; constant in a video.
        contrast_range: least and largest factor about middle gray and about each pixel's own gray; constant in a video.
        gray: remove all color.
        style: `thermal`, `drawn`, or None for filled objects in color (`style.py`).
        noise: standard deviation of the noise of each pixel and frame, 0 to 1; None for none.

    Raises:
        InputError: an unknown style, or noise out of range.
    """

    copies: int
    hue_spread: float
    radius_fraction: tuple[float, float]
    background_saturation: float
    stripe_contrast: float
    speed_fraction: float
    exposure_range: tuple[float, float]
    contrast_range: tuple[float, float]
    gray: bool = False  # configs of earlier versions lack this and the following
    style: str | None = None
    noise: float | None = None

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            names = ", ".join(str(name) for name in STYLES if name)
            raise InputError(
                expected=f"appearance.style to be null or one of {names}",
                got=str(self.style),
                hint="See conf/data/appearance.",
            )
        if self.noise is not None and not 0.0 <= self.noise <= 1.0:
            raise InputError(expected="appearance.noise of 0 to 1, or null", got=str(self.noise), hint="See conf/data/appearance.")

    def describe(self) -> dict[str, Any]:
        """All values; later ones only if they are set, so that the descriptions of earlier versions stay the same."""
        return {name: value for name, value in asdict(self).items() if name not in LATER or value}


def render_scene(
    *, scene_class: SceneClass, frames: int, size_pixels: int, appearance: Appearance, generator: Generator
) -> NDArray[np.uint8]:
    """RGB frames `[frames, size, size, 3]` of a video of this class."""
    order = np.arange(THIRDS) if scene_class.in_order else generator.permutation(THIRDS)
    radius_pixels = size_pixels * generator.uniform(*appearance.radius_fraction)
    looks = replace(appearance, hue_spread=0.5) if scene_class.any_hue else appearance
    shots = [
        _render_shot(scene_class.thirds[order[third]], shot_frames, size_pixels, radius_pixels, looks, generator)
        for third in range(THIRDS)
        for shot_frames in _shot_lengths(frames * (third + 1) // THIRDS - frames * third // THIRDS, generator)
    ]
    video = _develop(np.concatenate(shots), appearance, generator)
    if appearance.noise:
        video = noisy(video, noise=appearance.noise, generator=generator)
    pixels: NDArray[np.uint8] = np.rint(video * 255.0).astype(np.uint8)
    return pixels


def _shot_lengths(frames: int, generator: Generator) -> list[int]:
    cut = frames // SHOTS_PER_THIRD + (int(generator.integers(2)) if frames % SHOTS_PER_THIRD else 0)
    return [cut, frames - cut]


def _render_shot(third: Third, frames: int, size_pixels: int, radius_pixels: float, appearance: Appearance, generator: Generator) -> Field:
    kind = third.kinds[int(generator.integers(len(third.kinds)))] if len(third.kinds) > 1 else third.kinds[0]
    rows_HW, columns_HW = np.meshgrid(*[np.arange(size_pixels, dtype=np.float32)] * 2, indexing="ij")
    pan_T2 = _pan(frames, size_pixels * appearance.speed_fraction, third.motion, generator)
    background_THW3 = _background(rows_HW + pan_T2[:, :1, None], columns_HW + pan_T2[:, 1:, None], size_pixels, appearance, generator)
    paths = _paths(frames, size_pixels, third.motion, appearance, generator)
    distance_THW = _objects(kind, paths, rows_HW, columns_HW, radius_pixels)
    hue = kind / len(KINDS) + generator.uniform(-appearance.hue_spread, appearance.hue_spread)
    color_3 = _rgb(hue, generator.uniform(0.75, 1.0), generator.uniform(0.6, 1.0))
    return STYLES[appearance.style](background_THW3, distance_THW, color_3)


def _pan(frames: int, speed_pixels: float, motion: Motion | None, generator: Generator) -> Field:
    """`[T, 2]` row and column of the camera, in pixels."""
    steps = np.arange(frames, dtype=np.float32)[:, None]
    if motion:  # no frame of the shot is known to be its first
        steps = steps - np.float32((frames - 1) / 2)
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


@dataclass(frozen=True, kw_only=True)
class Path:
    """Motion of one object: row and column of the center in pixels `[T, 2]`, angle `[T]`, factor of the radius `[T]`."""

    center: NDArray[np.floating]
    angle: NDArray[np.floating]
    scale: NDArray[np.floating]


def _paths(frames: int, size_pixels: int, motion: Motion | None, appearance: Appearance, generator: Generator) -> list[Path]:
    """One object per cell of a grid, so that a crop of a fifth of the frame rarely misses all of them."""
    side = int(np.ceil(np.sqrt(appearance.copies)))
    cells = generator.permutation(side * side)[: appearance.copies]
    paths = []
    for cell in cells:
        start_2 = (np.array(divmod(int(cell), side)) + generator.uniform(0.15, 0.85, size=2)) * (size_pixels / side)
        if motion:
            paths.append(_class_motion(start_2, frames, size_pixels, motion, generator))
        else:
            paths.append(_random_motion(start_2, frames, size_pixels * appearance.speed_fraction, generator))
    return paths


def _random_motion(start_2: NDArray[np.float64], frames: int, speed_pixels: float, generator: Generator) -> Path:
    speed_2 = generator.uniform(-speed_pixels, speed_pixels, size=2)
    center_T2 = start_2 + np.arange(frames)[:, None] * speed_2
    angle_T = generator.uniform(0.0, 2.0 * np.pi) + np.arange(frames) * generator.uniform(-0.3, 0.3)
    return Path(center=center_T2, angle=angle_T, scale=np.ones(frames))


def _class_motion(middle_2: NDArray[np.float64], frames: int, size_pixels: int, motion: Motion, generator: Generator) -> Path:
    """A path about its middle, so that the opposite sign gives the same frames in reverse order."""
    steps_T = motion.sign * (np.arange(frames) - (frames - 1) / 2)
    still = Path(center=np.tile(middle_2, (frames, 1)), angle=np.full(frames, generator.uniform(0.0, 2.0 * np.pi)), scale=np.ones(frames))
    if motion.change is Change.POSITION:
        travel_T = steps_T * size_pixels * generator.uniform(*TRAVEL_FRACTION)
        return replace(still, center=middle_2 + travel_T[:, None] * np.array([0.0, 1.0]))
    if motion.change is Change.SIZE:
        return replace(still, scale=generator.uniform(*GROWTH_FACTOR) ** steps_T)
    return replace(still, angle=still.angle + steps_T * generator.uniform(*TURN_RADIANS))


def _objects(kind: int, paths: list[Path], rows_HW: Field, columns_HW: Field, radius_pixels: float) -> Field:
    """`[T, H, W]` signed distance from the nearest object's edge in pixels, negative inside; infinite (T = 1) without objects."""
    distance_THW: Field = np.full((1, *rows_HW.shape), np.inf, dtype=np.float32)
    for path in paths:
        cosine_T11, sine_T11 = (f(path.angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
        scale_T11 = path.scale.astype(np.float32)[:, None, None]
        down_THW = (rows_HW - path.center[:, 0, None, None].astype(np.float32)) / scale_T11
        right_THW = (columns_HW - path.center[:, 1, None, None].astype(np.float32)) / scale_T11
        turned = right_THW * cosine_T11 + down_THW * sine_T11, down_THW * cosine_T11 - right_THW * sine_T11
        distance_THW = np.minimum(distance_THW, KINDS[kind][1](*turned, radius_pixels) * scale_T11)
    return distance_THW


def _develop(video_THW3: Field, appearance: Appearance, generator: Generator) -> Field:
    """The same exposure, contrast and saturation for every frame of a video, clipped to 0..1."""
    exposure = generator.uniform(*appearance.exposure_range)
    contrast, saturation = generator.uniform(*appearance.contrast_range, size=2).tolist()
    contrasted_THW3 = (video_THW3 * exposure - 0.5) * contrast + 0.5
    gray_THW1 = contrasted_THW3.mean(axis=-1, keepdims=True)
    developed_THW3: Field = np.clip(gray_THW1 + (contrasted_THW3 - gray_THW1) * saturation, 0.0, 1.0)
    return np.repeat((developed_THW3 @ LUMA)[..., None], 3, axis=-1) if appearance.gray else developed_THW3


def _rgb(hue: float, saturation: float, brightness: float) -> Field:
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, brightness), dtype=np.float32)
