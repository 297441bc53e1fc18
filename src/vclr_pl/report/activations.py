"""Write activation maps as pictures and videos into a folder.

Legend: N frames in order of time, H W pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from vclr_pl.files import whole_file, write_csv
from vclr_pl.report.activation_sheet import (
    DARK_GRAY,
    GAP_PIXELS,
    LINE_PIXELS,
    TEXT_POINTS,
    WHITE,
    ActivationSheet,
    MapRow,
    draw_scale,
    font,
    scaled,
)
from vclr_pl.report.record import BROKEN_VIDEOS, add_to_broken_list, listed_error
from vclr_pl.text import readable
from vclr_pl.types import BrokenVideo, InputError, nothing_readable

SCALE_PIXELS = 84
LOWEST_RATE = Fraction(1)


@dataclass(frozen=True, kw_only=True)
class ActivationVideo:
    """Writes videos of activation maps, H.264 in MP4.

    Args:
        tile_pixels: width and height of the frames and of each encoder's maps.
        seconds: duration of the written video, independent of the original.

    Raises:
        InputError: a value out of range.
    """

    tile_pixels: int
    seconds: float

    def __post_init__(self) -> None:
        if self.tile_pixels < 48 or self.seconds <= 0:
            raise InputError(
                expected="video.tile_pixels of at least 48 and video.seconds above 0",
                got=f"{self.tile_pixels} and {self.seconds}",
                hint="Set for instance video.tile_pixels=224 video.seconds=6, or video=null for none.",
            )

    def write(self, rows: Sequence[MapRow], path: Path) -> None:
        """Draw all frames of the row with most frames, next to the frames of the other rows at the same time."""
        count = max(len(row.frames) for row in rows)
        rate = max(LOWEST_RATE, Fraction(count / self.seconds).limit_denominator(1000))
        with whole_file(path) as draft, av.open(str(draft), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
            stream.pix_fmt, stream.thread_count = "yuv420p", 1
            background = self._background(rows)
            stream.width, stream.height = background.size
            for index in range(count):
                picture = self._picture(background.copy(), rows, part=(index, count))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())

    def _left(self, column: int) -> int:
        """Left edge of the frames (column 0) or of an encoder's maps, pixels; a scale follows the maps."""
        tile = self.tile_pixels + GAP_PIXELS
        return GAP_PIXELS if column == 0 else GAP_PIXELS + tile + (column - 1) * (tile + SCALE_PIXELS)

    def _background(self, rows: Sequence[MapRow]) -> Image.Image:
        """Constant part of the pictures: names and scales. Width and height are even, as required by H.264."""
        words = [[*row.words()] for row in rows]
        top = GAP_PIXELS + max(map(len, words)) * LINE_PIXELS
        width, height = self._left(len(rows) + 1), top + self.tile_pixels + GAP_PIXELS
        background = Image.new("RGB", (width + width % 2, height + height % 2), WHITE)
        pen = ImageDraw.Draw(background)
        pen.text((self._left(0), top - LINE_PIXELS), "frames", fill=DARK_GRAY, font=font(TEXT_POINTS))
        for column, (row, lines) in enumerate(zip(rows, words, strict=True), 1):
            for line, word in enumerate(lines):
                pen.text((self._left(column), top - (len(lines) - line) * LINE_PIXELS), word, fill=DARK_GRAY, font=font(TEXT_POINTS))
            draw_scale(background, highest=row.highest, box=(self._left(column) + self.tile_pixels + GAP_PIXELS, top, self.tile_pixels))
        return background

    def _picture(self, background: Image.Image, rows: Sequence[MapRow], *, part: tuple[int, int]) -> np.ndarray:
        index, count = part
        top = background.height - background.height % 2 - self.tile_pixels - GAP_PIXELS
        for column, row in enumerate(rows, 1):
            own = np.array([index * len(row.frames) // count])
            if column == 1:
                background.paste(scaled(row.frames[own][0], self.tile_pixels), (self._left(0), top))
            background.paste(scaled(row.overlays(own)[0], self.tile_pixels), (self._left(column), top))
        return np.asarray(background)


TABLE = "activation_maps.csv"
COLUMNS = ("video", "encoder", "target", "score", "highest", "picture")
LONGEST_NAME = 80


@dataclass(kw_only=True)
class ActivationFolder:
    """Writes pictures, videos and tables into a folder.

    Args:
        path: the folder, created if missing.
        sheet, film: draw pictures and videos; no videos if `film` is None.

    Raises:
        OSError: `path` is a file, or cannot be created.
    """

    path: Path
    sheet: ActivationSheet
    film: ActivationVideo | None
    _lines: list[tuple[str, ...]] = field(default_factory=list)
    _broken: list[BrokenVideo] = field(default_factory=list)
    _stems: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def add(self, video: str, rows: Sequence[MapRow]) -> Path:
        """Draw one video's maps. Return the path of the sheet."""
        stem = self._stem(video)
        picture = self.path / f"{stem}.png"
        with whole_file(picture) as draft:
            self.sheet.draw(rows, title=readable(Path(video).name)).save(draft, "PNG")
        if self.film is not None:
            self.film.write(rows, self.path / f"{stem}.mp4")
        self._lines += [(video, row.name, row.target, f"{row.score:.6g}", f"{row.highest:.6g}", picture.name) for row in rows]
        return picture

    def add_broken(self, video: BrokenVideo) -> None:
        self._broken.append(video)

    def finish(self) -> None:
        """Write the table and the list.

        Raises:
            BrokenVideosError: no video could be read.
        """
        if self._broken:
            add_to_broken_list(self.path / BROKEN_VIDEOS, self._broken)
        if not self._lines:
            raise listed_error(nothing_readable("videos", self._broken), file=self.path / BROKEN_VIDEOS)
        write_csv(self.path / TABLE, COLUMNS, self._lines)

    def _stem(self, video: str) -> str:
        """The video's name as a file name, numbered if two are equal."""
        plain = re.sub(r"[^\w.-]+", "_", readable(Path(video).stem))[:LONGEST_NAME].lstrip(".-") or "video"
        stem = next(
            name for number in range(1, len(self._stems) + 2) if (name := plain if number == 1 else f"{plain}_{number}") not in self._stems
        )
        self._stems.add(stem)
        return stem
