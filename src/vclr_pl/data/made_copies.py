"""Copies of videos, made while they are read.

`CHANGES` are small: they calibrate the search for near duplicates. `STRONG_CHANGES` are those by which `CopyRetrieval` compares encoders.

Legend: T frames, C channels, H W pixels.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

from vclr_pl.datasets.manifest import Manifest, ManifestBuilder
from vclr_pl.types import InputError
from vclr_pl.video.protocol import ClosingReader, VideoDecoder, VideoReader

JPEG_QUALITY = 30  # blocks and blur as in a video of a low bit rate
TENTH = 0.1
LOGO_SIDE, LOGO_MARGIN = 0.15, 0.05  # of the short side


def compressed(frames: Tensor) -> Tensor:
    """JPEG and back."""
    return torch.stack([_jpeg(frame) for frame in frames])


def _jpeg(frame: Tensor) -> Tensor:
    stream = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).numpy()).save(stream, "JPEG", quality=JPEG_QUALITY)
    return torch.from_numpy(np.array(Image.open(stream))).permute(2, 0, 1)


def cropped(frames: Tensor) -> Tensor:
    """The upper left nine tenths of each side."""
    height, width = frames.shape[-2:]
    return frames[..., : height - int(TENTH * height), : width - int(TENTH * width)]


def rescaled(frames: Tensor) -> Tensor:
    """Half the height and width."""
    height, width = frames.shape[-2:]
    small: Tensor = functional.resize(frames, [max(1, height // 2), max(1, width // 2)], antialias=True)
    return small


def with_logo(frames: Tensor) -> Tensor:
    """A white square with a black one in it, in the lower right corner."""
    marked = frames.clone()
    height, width = frames.shape[-2:]
    side, margin = (max(1, round(part * min(height, width))) for part in (LOGO_SIDE, LOGO_MARGIN))
    bottom, right = height - margin, width - margin
    marked[..., bottom - side : bottom, right - side : right] = 255
    marked[..., bottom - 3 * side // 4 : bottom - side // 4, right - 3 * side // 4 : right - side // 4] = 0
    return marked


TRIMMED = "trimmed"
CHANGES = {  # uint8 `[T, C, H, W]` to the frames of the copy
    "re-encoded": compressed,
    TRIMMED: torch.clone,  # the list of the copies names the remaining part
    "cropped": cropped,
    "rescaled": rescaled,
    "with a logo": with_logo,
    "mirrored": functional.horizontal_flip,
}

LATER = "later half"
ZOOMED = 0.7  # of each side
BRIGHTNESS, CONTRAST, HUE = 0.7, 1.4, 0.1
PARTS = {TRIMMED: (0.0, 1 - TENTH), LATER: (0.5, 1.0)}  # of the video, by kind; the other kinds show all of it


def zoomed(frames: Tensor) -> Tensor:
    """The upper right part, of seven tenths of each side, at the size of the frames."""
    height, width = frames.shape[-2:]
    part = frames[..., : max(1, round(ZOOMED * height)), width - max(1, round(ZOOMED * width)) :]
    large: Tensor = functional.resize(part, [height, width], antialias=True)
    return large


def recolored(frames: Tensor) -> Tensor:
    """Darker, of more contrast and another hue."""
    changed: Tensor = functional.adjust_hue(functional.adjust_brightness(functional.adjust_contrast(frames, CONTRAST), BRIGHTNESS), HUE)
    return changed


def gray(frames: Tensor) -> Tensor:
    changed: Tensor = functional.rgb_to_grayscale(frames, num_output_channels=3)
    return changed


def mirrored_and_zoomed(frames: Tensor) -> Tensor:
    mirrored: Tensor = functional.horizontal_flip(zoomed(frames))
    return mirrored


Changes = Mapping[str, Callable[[Tensor], Tensor]]
STRONG_CHANGES: Changes = {
    "re-encoded": compressed,
    "zoomed": zoomed,
    "recolored": recolored,
    "gray": gray,
    LATER: mirrored_and_zoomed,
}


class _CopyReader(ClosingReader):
    """The copy of an open video."""

    def __init__(self, reader: VideoReader, *, change: Callable[[Tensor], Tensor]) -> None:
        self._reader, self._change = reader, change
        self.backend, self.frame_count = reader.backend, reader.frame_count

    def frames(self, indices: Sequence[int]) -> Tensor:
        return self._change(self._reader.frames(indices))

    def close(self) -> None:
        self._reader.close()


class CopyDecoder:
    """Opens paths of the form `PATH/KIND`: the video at PATH, changed as `changes[KIND]` says."""

    def __init__(self, decoder: VideoDecoder, *, changes: Changes = CHANGES) -> None:
        self.decoder, self.changes = decoder, changes

    def backend_of(self, path: str | PathLike[str]) -> str:
        return self.decoder.backend_of(os.path.dirname(fspath(path)))  # noqa: PTH120 (a path may be any bytes)

    def open(self, path: str | PathLike[str]) -> VideoReader:
        original, kind = os.path.split(fspath(path))
        return _CopyReader(self.decoder.open(original), change=self.changes[kind])


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Which videos are copied, and how many of the copies are to be found.

    Args:
        videos: sampled from the gallery; six copies are made of each.
        recall: fraction of the copies that the threshold has to find.
        seed: of the sample.

    Raises:
        InputError: less than one video, or a recall that is no fraction.
    """

    videos: int
    recall: float
    seed: int

    def __post_init__(self) -> None:
        if self.videos < 1:
            raise InputError(
                expected="calibration.videos of at least 1",
                got=str(self.videos),
                hint="Set calibration.videos=20, or minimum_similarity to a number.",
            )

        if not 0 < self.recall <= 1:
            raise InputError(
                expected="calibration.recall above 0 and at most 1", got=str(self.recall), hint="Set for instance calibration.recall=0.9."
            )

    def sample(self, count: int) -> list[int]:
        """The chosen ones of `count` videos, ascending."""
        generator = np.random.default_rng(self.seed)
        return sorted(generator.choice(count, min(count, self.videos), replace=False).tolist())


def copies_of(manifest: Manifest, videos: Sequence[int], *, kinds: Iterable[str] = CHANGES) -> Manifest:
    """The list of the copies of these videos: all kinds of the first, then of the next. Some kinds show a part of the video (`PARTS`)."""
    builder = ManifestBuilder(root="")
    for index in videos:
        begin, end = manifest.span(index)
        for kind in kinds:
            first, last = (begin + part * (end - begin) for part in PARTS.get(kind, (0.0, 1.0)))
            builder.add(os.path.join(manifest.path(index), kind), span=(first, last))  # noqa: PTH118
    return builder.finish()
