"""A folder of numbered pictures as a video: the `rawframes` of the published lists (`img_00001.jpg`, `frame_00001.jpg`).

Legend: T requested frames, C channels, H W pixels.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from vclr_pl.video.protocol import ClosingReader, VideoReadError, require_indices, scaled_size, still_working

BACKEND = "frame_folder"
_UNREADABLE = (OSError, SyntaxError, ValueError)  # Pillow raises SyntaxError for a broken PNG
_FIRST_TRANSPOSED = 5  # EXIF orientations from this value on exchange height and width
_PICTURE = re.compile(r"(?:img_|image_|frame_|)(\d+)\.(?:jpe?g|png)", re.IGNORECASE)  # excludes flow_x_00001.jpg in the same folder


class FrameFolderDecoder:
    """Opens folders of pictures, ordered by the number in their name. Gaps and any first number are allowed."""

    def __init__(self, *, short_side_pixels: int | None) -> None:
        self.short_side_pixels = short_side_pixels

    def backend_of(self, path: str | PathLike[str]) -> str:  # noqa: ARG002
        return BACKEND

    def open(self, path: str | PathLike[str]) -> FrameFolderReader:
        return FrameFolderReader(path, short_side_pixels=self.short_side_pixels)


class FrameFolderReader(ClosingReader):
    """One folder. Raises VideoReadError if it does not exist or contains no numbered picture, or if a requested picture does not decode."""

    backend = BACKEND

    def __init__(self, path: str | PathLike[str], *, short_side_pixels: int | None) -> None:
        self.path, self._short_side_pixels = fspath(path), short_side_pixels
        folder = Path(self.path)
        if not folder.is_dir():
            raise VideoReadError(self.path, BACKEND, "no such folder")
        self._pictures = numbered_pictures(folder)
        if not self._pictures:
            raise VideoReadError(self.path, BACKEND, "no pictures named img_00001.jpg, frame_00001.jpg or 00001.jpg")

    @property
    def frame_count(self) -> int:
        return len(self._pictures)

    def frames(self, indices: Sequence[int]) -> Tensor:
        wanted = require_indices(indices, frame_count=self.frame_count, path=self.path)
        pictures = {index: self._picture(self._pictures[index]) for index in sorted(set(wanted))}
        return torch.stack([pictures[index] for index in wanted]).contiguous(memory_format=torch.channels_last)

    def _picture(self, file: Path) -> Tensor:
        still_working()
        try:
            with Image.open(file) as stored:
                pixels_HWC = np.array(ImageOps.exif_transpose(stored).convert("RGB"))
        except _UNREADABLE as error:
            raise self._failure(file, error) from error
        picture = torch.from_numpy(pixels_HWC).permute(2, 0, 1)
        height, width = self._first_size
        size = scaled_size(height=height, width=width, short_side_pixels=self._short_side_pixels)
        if tuple(picture.shape[1:]) == size:
            return picture
        # Imported only when needed: it takes a second in each decoding process.
        from torchvision.transforms.v2 import functional

        resized: Tensor = functional.resize(picture, list(size), antialias=True)
        return resized

    @functools.cached_property
    def _first_size(self) -> tuple[int, int]:
        """(height, width) of the first picture. Pictures of other sizes are scaled to it, as in the ffmpeg program."""
        file = self._pictures[0]
        try:
            with Image.open(file) as stored:
                is_transposed = stored.getexif().get(ExifTags.Base.Orientation, 1) >= _FIRST_TRANSPOSED
                return (stored.width, stored.height) if is_transposed else (stored.height, stored.width)
        except _UNREADABLE as error:
            raise self._failure(file, error) from error

    def _failure(self, file: Path, error: Exception) -> VideoReadError:
        return VideoReadError(self.path, BACKEND, f"{file.name}: {str(error).splitlines()[0]}")


def numbered_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers. Raises OSError."""
    numbered = [(int(match.group(1)), file) for file in folder.iterdir() if (match := _PICTURE.fullmatch(file.name))]
    return [file for _, file in sorted(numbered)]
