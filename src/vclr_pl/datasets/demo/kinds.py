"""The six kinds of objects in the demo's videos, as signed distances.

Legend: `u_*` and `v_*` are coordinates in the object's rotated frame, in pixels; any shape, elementwise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
SignedDistance = Callable[[Field, Field, float], Field]


def disc(u: Field, v: Field, radius_pixels: float) -> Field:
    """A filled circle."""
    return np.hypot(u, v) - np.float32(radius_pixels)


def plus(u: Field, v: Field, radius_pixels: float) -> Field:
    """Two crossed beams, each 0.6 radii thick."""
    width, height = np.abs(u), np.abs(v)
    thickness = np.float32(0.3 * radius_pixels)
    lying, standing = np.maximum(width - radius_pixels, height - thickness), np.maximum(width - thickness, height - radius_pixels)
    return np.minimum(lying, standing)


def ring(u: Field, v: Field, radius_pixels: float) -> Field:
    """A circle's outline, 0.4 radii thick."""
    return np.abs(np.hypot(u, v) - np.float32(0.8 * radius_pixels)) - np.float32(0.2 * radius_pixels)


def triangle(u: Field, v: Field, radius_pixels: float) -> Field:
    """A filled equilateral triangle with corners 1.2 radii from its center."""
    half, side = np.float32(0.6 * radius_pixels), np.float32(np.sqrt(3.0) / 2.0)
    return np.maximum(-v, np.abs(u) * side + v * np.float32(0.5)) - half


def bars(u: Field, v: Field, radius_pixels: float) -> Field:
    """Three parallel bars, each 0.36 radii thick, 0.75 radii apart."""
    spacing = np.float32(0.75 * radius_pixels)
    nearest = np.clip(np.rint(v / spacing), -1.0, 1.0) * spacing
    distance: Field = np.maximum(np.abs(u) - np.float32(radius_pixels), np.abs(v - nearest) - np.float32(0.18 * radius_pixels))
    return distance


def hollow_square(u: Field, v: Field, radius_pixels: float) -> Field:
    """A square's outline, 0.34 radii thick."""
    return np.abs(np.maximum(np.abs(u), np.abs(v)) - np.float32(0.75 * radius_pixels)) - np.float32(0.17 * radius_pixels)


KINDS: tuple[tuple[str, SignedDistance], ...] = (
    ("Disc", disc),
    ("Plus", plus),
    ("Ring", ring),
    ("Triangle", triangle),
    ("Bars", bars),
    ("Square", hollow_square),
)
