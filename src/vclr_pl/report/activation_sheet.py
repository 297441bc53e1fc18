"""A sheet of activation maps: frames, maps, times, and the color scale.

Legend: N pictures, H W pixels, N frames in order of time.

The anchors are seventeen colors of viridis (van der Walt and Smith, 2015), interpolated linearly.
"""

from __future__ import annotations

import functools
import importlib.util
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from vclr_pl.files import evenly_spaced
from vclr_pl.types import InputError

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
    """Map values in 0 to 1, of any shape, to RGB in 0 to 255 along a last axis."""
    positions = np.linspace(0, 1, len(ANCHORS))
    return np.stack([np.interp(values, positions, ANCHORS[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def overlaid(pictures: Pixels, values: Values) -> Pixels:
    """Overlay gray pictures `[..., H, W, 3]` with the colors of `values` `[..., H, W]` in 0 to 1.

    Opacity increases with the value, so the picture stays visible under low values. Only the map has colors, because the picture is gray.
    """
    gray = (pictures.astype(np.float32) @ LUMA)[..., None]
    cover = (0.3 + 0.4 * values)[..., None]
    mixed: Pixels = np.clip(gray * (1 - cover) + colors(values) * cover, 0, 255).astype(np.uint8)
    return mixed


def scale_bar(*, width: int, height: int) -> Pixels:
    """Color scale `[height, width, 3]`: the highest value at the top, over medium gray as in `overlaid`."""
    values = np.linspace(1, 0, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    return overlaid(np.full((height, width, 3), 128, np.uint8), values)


BLACK, DARK_GRAY, WHITE = (0, 0, 0), (90, 90, 90), (255, 255, 255)
TITLE_POINTS, TEXT_POINTS, MARGIN_PIXELS, GAP_PIXELS, LABEL_PIXELS, SCALE_PIXELS, LINE_PIXELS = 17, 12, 14, 4, 200, 84, 17
LABEL_LETTERS, SMALLEST_PIXELS = 27, 920
FRAMES, MAPS, COMPARED = "frames", "maps", "compared"  # kinds of rows
FONT = Path("mpl-data", "fonts", "ttf", "DejaVuSans.ttf")  # installed with matplotlib, which grad-cam needs: it has letters beyond ASCII
FOOT = (
    "Color: Grad-CAM, positive contributions to the score named at the left. Each row has its own scale, from 0 to",
    "its highest value in this video, in the score's unit. Maps have the resolution given in the row, interpolated to the frame size.",
)


@dataclass(frozen=True)
class MapRow:
    """One encoder's maps of a video."""

    name: str  # name of the encoder
    target: str  # name of the score
    score: float  # score of the video
    positions: tuple[int, ...]  # resolution of a map before interpolation
    frames_per_clip: int
    times: tuple[float, ...]  # of frames, or of clips: 0 is the start of the video, 1 its end
    frames: Pixels  # [N, H, W, 3]
    maps: Values  # [N, H, W], 0 or more
    compared: Pixels | None = None  # [N', H, W, 3], frames of the other video of a similarity

    @property
    def highest(self) -> float:
        return float(self.maps.max())

    @property
    def values(self) -> Values:
        """`[N, H, W]` scaled to 0 to 1, with 1 for the highest value of the row; zeros if there is no value above 0."""
        highest = self.highest
        return self.maps / np.float32(highest) if highest > 0 else np.zeros_like(self.maps)

    def overlays(self, places: npt.NDArray[np.int64]) -> Pixels:
        """`[places, H, W, 3]`"""
        return overlaid(self.frames[places], self.values[places])

    def places_at(self, times: Sequence[float]) -> npt.NDArray[np.int64]:
        """Indices of the frames, or of the middle frames of the clips, nearest to `times`."""
        own = np.asarray(self.times)
        nearest: npt.NDArray[np.int64] = np.abs(own[None, :] - np.asarray(times)[:, None]).argmin(axis=1)
        places: npt.NDArray[np.int64] = nearest * self.frames_per_clip + self.frames_per_clip // 2
        return places

    def words(self) -> list[str]:
        """Description of the row, in lines."""
        words = [self.name, f"{self.target}: {self.score:.3g}", f"maps of {' x '.join(map(str, self.positions))}"]
        if self.highest == 0:
            words.append("no positive contribution")
        return [line for part in words for line in textwrap.wrap(part, LABEL_LETTERS)]


@dataclass(frozen=True, kw_only=True)
class ActivationSheet:
    """Draws sheets.

    Args:
        columns: frames per row, evenly spaced in time.
        tile_pixels: width and height of each picture.

    Raises:
        InputError: a value out of range.
    """

    columns: int
    tile_pixels: int

    def __post_init__(self) -> None:
        if self.columns < 1 or self.tile_pixels < 48:
            raise InputError(
                expected="sheet.columns of at least 1 and sheet.tile_pixels of at least 48",
                got=f"{self.columns} and {self.tile_pixels}",
                hint="Set for instance sheet.columns=6 sheet.tile_pixels=160.",
            )

    def draw(self, rows: Sequence[MapRow], *, title: str) -> Image.Image:
        """Draw a sheet: frames first, and again if an encoder has other frames than the one above."""
        times = [rows[0].times[moment] for moment in evenly_spaced(len(rows[0].times), self.columns, at="ends")]
        lines = _lines_of(rows)
        step = self.tile_pixels + GAP_PIXELS
        top = MARGIN_PIXELS + TITLE_POINTS + LINE_PIXELS + 2 * GAP_PIXELS
        width = 2 * MARGIN_PIXELS + LABEL_PIXELS + len(times) * step + SCALE_PIXELS
        sheet = Image.new("RGB", (max(width, SMALLEST_PIXELS), top + len(lines) * step + len(FOOT) * LINE_PIXELS + MARGIN_PIXELS), WHITE)
        pen = ImageDraw.Draw(sheet)
        pen.text((MARGIN_PIXELS, MARGIN_PIXELS), title, fill=BLACK, font=font(TITLE_POINTS))
        self._tell_times(pen, times, bottom=top - GAP_PIXELS)
        for line, (row, kind) in enumerate(lines):
            self._draw_line(sheet, row, times, kind=kind, top=top + line * step)
        for line, text in enumerate(FOOT):
            pen.text(
                (MARGIN_PIXELS, top + len(lines) * step + GAP_PIXELS + line * LINE_PIXELS), text, fill=DARK_GRAY, font=font(TEXT_POINTS)
            )
        return sheet

    def _tell_times(self, pen: ImageDraw.ImageDraw, times: Sequence[float], *, bottom: int) -> None:
        for column, time in enumerate(times):
            text = f"{time:.0%} of the video" if column == 0 else f"{time:.0%}"
            left = MARGIN_PIXELS + LABEL_PIXELS + column * (self.tile_pixels + GAP_PIXELS)
            pen.text((left, bottom - LINE_PIXELS), text, fill=DARK_GRAY, font=font(TEXT_POINTS))

    def _draw_line(self, sheet: Image.Image, row: MapRow, times: Sequence[float], *, kind: str, top: int) -> None:
        pen = ImageDraw.Draw(sheet)
        pictures = _pictures_of(row, times, kind=kind)
        for column, picture in enumerate(pictures):
            left = MARGIN_PIXELS + LABEL_PIXELS + column * (self.tile_pixels + GAP_PIXELS)
            sheet.paste(scaled(picture, self.tile_pixels), (left, top))
        for line, text in enumerate(_words_of(row, kind=kind)[: self.tile_pixels // LINE_PIXELS]):
            pen.text((MARGIN_PIXELS, top + line * LINE_PIXELS), text, fill=BLACK if line == 0 else DARK_GRAY, font=font(TEXT_POINTS))
        if kind == MAPS:
            left = MARGIN_PIXELS + LABEL_PIXELS + len(times) * (self.tile_pixels + GAP_PIXELS) + GAP_PIXELS
            draw_scale(sheet, highest=row.highest, box=(left, top, self.tile_pixels))


def draw_scale(sheet: Image.Image, *, highest: float, box: tuple[int, int, int]) -> None:
    """Draw the color scale, with the highest value at the top; `box` is its left and top edge and its height, in pixels."""
    left, top, height = box
    pen = ImageDraw.Draw(sheet)
    sheet.paste(Image.fromarray(scale_bar(width=12, height=height)), (left, top))
    pen.text((left + 16, top), f"{highest:.2g}", fill=BLACK, font=font(TEXT_POINTS))
    pen.text((left + 16, top + height - LINE_PIXELS), "0", fill=BLACK, font=font(TEXT_POINTS))


@functools.cache
def font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """matplotlib's font, else Pillow's default. Fonts of the system would differ between machines."""
    package = importlib.util.find_spec("matplotlib")
    fonts = [Path(folder) / FONT for folder in (package.submodule_search_locations or ())] if package is not None else []
    return ImageFont.truetype(fonts[0], points) if fonts and fonts[0].is_file() else ImageFont.load_default(points)


def scaled(picture: Pixels, side_pixels: int) -> Image.Image:
    """Resize square pictures."""
    return Image.fromarray(picture).resize((side_pixels, side_pixels), Image.Resampling.BICUBIC)


def _lines_of(rows: Sequence[MapRow]) -> list[tuple[MapRow, str]]:
    """Rows of the sheet: frames if they differ from those above, maps, and finally the other video of a similarity."""
    lines = []
    for index, row in enumerate(rows):
        if index == 0 or not _same_frames(row, rows[index - 1]):
            lines.append((row, FRAMES))
        lines.append((row, MAPS))
    return [*lines, *((row, COMPARED) for row in rows[:1] if row.compared is not None)]


def _pictures_of(row: MapRow, times: Sequence[float], *, kind: str) -> Pixels:
    if kind == COMPARED and row.compared is not None:
        last = len(row.compared) - 1
        return row.compared[[round(time * last) for time in times]]
    indices = row.places_at(times)
    return row.overlays(indices) if kind == MAPS else row.frames[indices]


def _words_of(row: MapRow, *, kind: str) -> list[str]:
    if kind == MAPS:
        return row.words()
    if kind == COMPARED:
        return ["frames of the other video", *textwrap.wrap(row.target.removeprefix("similarity to "), LABEL_LETTERS)]
    height, width = row.frames.shape[1:3]
    clip = [f"middles of clips of {row.frames_per_clip}"] if row.frames_per_clip > 1 else []
    return ["frames", f"{width} x {height} pixels", *clip]


def _same_frames(row: MapRow, other: MapRow) -> bool:
    return row.frames_per_clip == other.frames_per_clip and np.array_equal(row.frames, other.frames)
