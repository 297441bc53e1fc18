"""Maps of one video as a video: the frames beside each encoder's maps.

Legend: N frames in order of time, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from vclr_pl.report.activation_sheet import DARK_GRAY, GAP_PIXELS, LINE_PIXELS, TEXT_POINTS, WHITE, MapRow, draw_scale, font, scaled
from vclr_pl.types import InputError
from vclr_pl.whole_file import whole_file

SCALE_PIXELS = 84
LOWEST_RATE = Fraction(1)


@dataclass(frozen=True, kw_only=True)
class ActivationVideo:
    """Writes H.264 in MP4.

    Args:
        tile_pixels: width and height of the frames and of each encoder's maps.
        seconds: how long it takes, however long the video is.

    Raises:
        InputError: a figure out of range.
    """

    tile_pixels: int
    seconds: float

    def __post_init__(self) -> None:
        if self.tile_pixels < 48 or self.seconds <= 0:
            raise InputError(
                expected="video.tile_pixels of at least 48 and video.seconds above 0",
                got=f"{self.tile_pixels} and {self.seconds}",
                remedy="Set for instance video.tile_pixels=224 video.seconds=6, or video=null for none.",
            )

    def write(self, rows: Sequence[MapRow], path: Path) -> None:
        """All frames of the row that has most; another's frames of the same part of the video beside them."""
        count = max(len(row.frames) for row in rows)
        rate = max(LOWEST_RATE, Fraction(count / self.seconds).limit_denominator(1000))
        with whole_file(path) as draft, av.open(str(draft), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
            stream.pix_fmt, stream.thread_count = "yuv420p", 1
            background = self._background(rows)
            stream.width, stream.height = background.size
            for place in range(count):
                picture = self._picture(background.copy(), rows, part=(place, count))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())

    def _left(self, column: int) -> int:
        """Of the frames (column 0) or of an encoder's maps, which a scale follows."""
        tile = self.tile_pixels + GAP_PIXELS
        return GAP_PIXELS if column == 0 else GAP_PIXELS + tile + (column - 1) * (tile + SCALE_PIXELS)

    def _background(self, rows: Sequence[MapRow]) -> Image.Image:
        """What stays: names and scales. Of even width and height, which H.264 wants."""
        words = [[*row.words()] for row in rows]
        top = GAP_PIXELS + max(map(len, words)) * LINE_PIXELS
        width, height = self._left(len(rows) + 1), top + self.tile_pixels + GAP_PIXELS
        background = Image.new("RGB", (width + width % 2, height + height % 2), WHITE)
        pen = ImageDraw.Draw(background)
        pen.text((self._left(0), top - LINE_PIXELS), "frames", fill=DARK_GRAY, font=font(TEXT_POINTS))
        for column, (row, told) in enumerate(zip(rows, words, strict=True), 1):
            for line, word in enumerate(told):
                pen.text((self._left(column), top - (len(told) - line) * LINE_PIXELS), word, fill=DARK_GRAY, font=font(TEXT_POINTS))
            draw_scale(background, highest=row.highest, box=(self._left(column) + self.tile_pixels + GAP_PIXELS, top, self.tile_pixels))
        return background

    def _picture(self, background: Image.Image, rows: Sequence[MapRow], *, part: tuple[int, int]) -> np.ndarray:
        place, count = part
        top = background.height - background.height % 2 - self.tile_pixels - GAP_PIXELS
        for column, row in enumerate(rows, 1):
            own = np.array([place * len(row.frames) // count])
            if column == 1:
                background.paste(scaled(row.frames[own][0], self.tile_pixels), (self._left(0), top))
            background.paste(scaled(row.overlays(own)[0], self.tile_pixels), (self._left(column), top))
        return np.asarray(background)
