"""Videos whose frames show their own number, in eight black or white bars, so that a test reads which frame it was given."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor

BITS, BAR_PIXELS, HEIGHT = 8, 8, 48


def numbered_picture(number: int) -> np.ndarray:
    """uint8 `[48, 64, 3]`: bit k of the number is the k-th bar."""
    bars = [255 * (number >> bit & 1) for bit in range(BITS)]
    return np.repeat(np.tile(np.repeat(np.array(bars, dtype=np.uint8), BAR_PIXELS), (HEIGHT, 1))[:, :, None], 3, axis=2)


def numbers_shown(frames_TCHW: Tensor) -> list[int]:
    """Reads the bars, whatever the size of the pictures."""
    bars = frames_TCHW.float().mean(dim=(1, 2)).unflatten(1, (BITS, -1)).mean(dim=2) > 127
    return [sum(int(bit) << place for place, bit in enumerate(row)) for row in bars.tolist()]


def write_numbered_video(
    path: Path,
    *,
    frames: int,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    keyframe_every: int = 12,
    b_frames: int = 2,
    times: Sequence[int] | None = None,
) -> Path:
    """25 frames a second, or at `times` in 1/25 s. `path`'s suffix says the container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = BITS * BAR_PIXELS, HEIGHT, pixel_format
        stream.codec_context.gop_size = keyframe_every
        if codec == "libx264":
            stream.options = {"sc_threshold": "0"}  # keyframes where asked, and nowhere else
        stream.codec_context.max_b_frames = b_frames
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number), format="rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
