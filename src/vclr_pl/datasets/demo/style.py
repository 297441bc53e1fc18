"""The domains of the demo: how a shot's background and objects become pixels.

The random choices of a video are the same in every style, so a seed shows the same scene in each.

Legend: T frames of a shot, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from vclr_pl.datasets.demo.kinds import Field

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# thermal: intensity is temperature, from 0 (cold) to 1 (hot)
COLD, BACKGROUND_SPAN = 0.1, 0.25
WARM, OBJECT_SPAN = 0.4, 0.5
EDGE_FRACTION = 0.035  # width of a blurred edge, as a fraction of the frame's side
# drawn
PAPER = 0.88  # least brightness
INK = 0.3  # greatest brightness
LINE_FRACTION = 0.022  # width of a line, as a fraction of the frame's side

Draw = Callable[[Field, Field, Field], Field]


def filled(background_THW3: Field, distance_THW: Field, color_3: Field) -> Field:
    """`[T, H, W, 3]`: objects of one color.

    Args:
        background_THW3: colors of the background, 0 to 1.
        distance_THW: signed distance from the nearest object's edge, in pixels, negative inside.
        color_3: the objects' color, 0 to 1.
    """
    covered_THW1: Field = np.clip(0.5 - distance_THW, 0.0, 1.0)[..., None]
    return background_THW3 + covered_THW1 * (color_3 - background_THW3)


def thermal(background_THW3: Field, distance_THW: Field, color_3: Field) -> Field:
    """As `filled`, as a white-hot thermal image: objects are warmer than the background, warmest inside; edges are blurred."""
    edge_pixels = np.float32(EDGE_FRACTION * distance_THW.shape[-1])
    ambient_THW = COLD + BACKGROUND_SPAN * (background_THW3 @ LUMA)
    hot = WARM + OBJECT_SPAN * float(color_3.max())
    covered_THW = np.clip(0.5 - distance_THW / (2 * edge_pixels), 0.0, 1.0)
    core_THW = np.clip(-distance_THW / (2 * edge_pixels), 0.0, 1.0)
    warmth_THW = covered_THW * (0.85 + 0.15 * core_THW)
    return _in_gray(ambient_THW + warmth_THW * (hot - ambient_THW))


def drawn(background_THW3: Field, distance_THW: Field, color_3: Field) -> Field:
    """As `filled`, as a line drawing: outlines of dark ink on white paper."""
    line_pixels = np.float32(max(1.0, LINE_FRACTION * distance_THW.shape[-1]))
    paper_THW = PAPER + (1.0 - PAPER) * (background_THW3 @ LUMA)
    covered_THW = np.clip(0.5 - (np.abs(distance_THW) - line_pixels / 2), 0.0, 1.0)
    ink = INK * float(color_3.max())
    return _in_gray(paper_THW + covered_THW * (ink - paper_THW))


def _in_gray(image_THW: Field) -> Field:
    gray_THW3: Field = np.repeat(image_THW[..., None].astype(np.float32, copy=False), 3, axis=-1)
    return gray_THW3


STYLES: dict[str | None, Draw] = {None: filled, "thermal": thermal, "drawn": drawn}


def noisy(video_THW3: Field, *, noise: float, generator: Generator) -> Field:
    """The video with Gaussian noise of this standard deviation, equal in the three channels, clipped to 0..1."""
    noise_THW1 = generator.standard_normal(video_THW3.shape[:3], dtype=np.float32)[..., None]
    noisy_THW3: Field = np.clip(video_THW3 + np.float32(noise) * noise_THW1, 0.0, 1.0)
    return noisy_THW3
