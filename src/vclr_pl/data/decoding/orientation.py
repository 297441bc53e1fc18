"""How a stored picture is to be shown: the display matrix of phones, cameras and editors, turns and mirror images alike.

Legend: H W pixels, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

_TOLERANCE_DEGREES = 1.0  # FFmpeg's


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a rectangle on another: first transposed, then flipped."""

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    def apply(self, pixels_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A view of the pixels."""
        shown = pixels_HWC.transpose(1, 0, 2) if self.transposed else pixels_HWC
        return shown[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]


UPRIGHT = Orientation()


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What the frame's display matrix says: `(x, y)` of the stored picture is shown at `(a x + c y, b x + d y)`.

    As the ffmpeg program does with the filters transpose, hflip and vflip. Angles that are no multiple of 90 degrees are not applied.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].tolist()
    if not math.hypot(a, c) or not math.hypot(b, d):
        return UPRIGHT
    angle = math.degrees(math.atan2(b / math.hypot(b, d), a / math.hypot(a, c)))
    if abs(angle - 90 * round(angle / 90)) > _TOLERANCE_DEGREES:
        return UPRIGHT
    if abs(b) > abs(a):
        return Orientation(transposed=True, upside_down=b < 0, mirrored=c < 0)
    return Orientation(upside_down=d < 0, mirrored=a < 0)
