"""One color scale for maps: dark blue for nothing to yellow for the most, evenly lighter, told apart by color-blind eyes too.

The anchors are seventeen colors of viridis (van der Walt and Smith, 2015), with straight lines between them.

Legend: N pictures, H W pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]

ANCHORS = np.array(
    [
        (68, 1, 84),
        (72, 24, 106),
        (71, 45, 123),
        (66, 64, 134),
        (59, 82, 139),
        (51, 99, 141),
        (44, 114, 142),
        (38, 129, 142),
        (33, 144, 140),
        (31, 159, 136),
        (40, 174, 128),
        (62, 188, 116),
        (93, 201, 99),
        (130, 211, 76),
        (171, 220, 50),
        (213, 226, 26),
        (253, 231, 37),
    ],
    np.float32,
)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def colors(values: Values) -> npt.NDArray[np.float32]:
    """Values in 0 to 1, of any shape, to RGB in 0 to 255 along a last axis."""
    places = np.linspace(0, 1, len(ANCHORS))
    return np.stack([np.interp(values, places, ANCHORS[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def overlaid(pictures: Pixels, values: Values) -> Pixels:
    """Pictures `[..., H, W, 3]` in gray under the colors of `values` `[..., H, W]` in 0 to 1.

    The color covers more where the value is higher, so that what is under low values stays to be seen; a color on the picture means
    the map alone, since the picture has none.
    """
    gray = (pictures.astype(np.float32) @ LUMA)[..., None]
    cover = (0.3 + 0.4 * values)[..., None]
    mixed: Pixels = np.clip(gray * (1 - cover) + colors(values) * cover, 0, 255).astype(np.uint8)
    return mixed


def scale_bar(*, width: int, height: int) -> Pixels:
    """`[height, width, 3]`: the highest value above, over middle gray as maps lie over pictures."""
    values = np.linspace(1, 0, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    return overlaid(np.full((height, width, 3), 128, np.uint8), values)
