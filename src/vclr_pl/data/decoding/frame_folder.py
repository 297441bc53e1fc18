"""A folder of numbered pictures as a video: the `rawframes` of the published lists (`img_00001.jpg`, `frame_00001.jpg`).

Legend: T frames asked for, C channels, H W pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from vclr_pl.data.decoding.protocol import ClosingReader, VideoReadError, require_indices, scaled_size

BACKEND = "frame_folder"
_PICTURE = re.compile(r"(?:img_|image_|frame_|)(\d+)\.(?:jpe?g|png)", re.IGNORECASE)  # not flow_x_00001.jpg, which lies beside them


class FrameFolderDecoder:
    """Opens folders of pictures. Their number in the name is their order; gaps and any first number are allowed."""

    def __init__(self, *, short_side_pixels: int | None) -> None:
        self.short_side_pixels = short_side_pixels

    def backend_of(self, path: str | PathLike[str]) -> str:  # noqa: ARG002
        return BACKEND

    def open(self, path: str | PathLike[str]) -> FrameFolderReader:
        return FrameFolderReader(path, short_side_pixels=self.short_side_pixels)


class FrameFolderReader(ClosingReader):
    """One folder. Raises VideoReadError where it is absent, holds no numbered picture, or a wanted picture does not decode."""

    backend = BACKEND

    def __init__(self, path: str | PathLike[str], *, short_side_pixels: int | None) -> None:
        self.path, self._short_side_pixels = fspath(path), short_side_pixels
        folder = Path(self.path)
        if not folder.is_dir():
            raise VideoReadError(self.path, BACKEND, "no such folder")
        numbered = [(int(match.group(1)), file) for file in folder.iterdir() if (match := _PICTURE.fullmatch(file.name))]
        self._pictures = [file for _, file in sorted(numbered)]
        if not self._pictures:
            raise VideoReadError(self.path, BACKEND, "no pictures named img_00001.jpg, frame_00001.jpg or 00001.jpg")

    @property
    def frame_count(self) -> int:
        return len(self._pictures)

    def frames(self, indices: Sequence[int]) -> Tensor:
        wanted = require_indices(indices, frame_count=self.frame_count, path=self.path)
        pictures = {index: self._picture(self._pictures[index]) for index in set(wanted)}
        sizes = {tuple(picture.shape) for picture in pictures.values()}
        if len(sizes) > 1:
            raise VideoReadError(self.path, BACKEND, f"pictures of different sizes: {sorted(sizes)}")
        return torch.stack([pictures[index] for index in wanted]).contiguous(memory_format=torch.channels_last)

    def _picture(self, file: Path) -> Tensor:
        try:
            with Image.open(file) as stored:
                pixels_HWC = np.array(ImageOps.exif_transpose(stored).convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:  # SyntaxError is Pillow's word for a broken PNG
            raise VideoReadError(self.path, BACKEND, f"{file.name}: {str(error).splitlines()[0]}") from error
        picture = torch.from_numpy(pixels_HWC).permute(2, 0, 1)
        if self._short_side_pixels is None:
            return picture
        # Imported where it is needed: it takes a second, which every process that decodes would wait for.
        from torchvision.transforms.v2 import functional

        size = scaled_size(height=picture.shape[1], width=picture.shape[2], short_side_pixels=self._short_side_pixels)
        resized: Tensor = functional.resize(picture, list(size), antialias=True)
        return resized
