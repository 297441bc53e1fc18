"""Decode frames by index with torchcodec, which uses the machine's FFmpeg libraries.

torchcodec seeks frame i by its exact presentation time (`seek_mode="exact"` scans the packets once). Only MP4 and Matroska store that
time for every frame and support seeking by it, so `choice.chosen_backend` uses torchcodec only for them.

Legend: T requested frames, C channels, H W pixels.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

import torch
from torch import Tensor

from vclr_pl.video.protocol import ClosingReader, VideoReadError, existing_file, require_indices, scaled_size, still_working

BACKEND = "torchcodec"
_FAILURES = (RuntimeError, ValueError, IndexError, AssertionError)  # torchcodec's errors for unreadable files
_SMALLEST_VIDEO = b"YUV4MPEG2 W16 H16 F1:1 C420jpeg\nFRAME\n" + bytes(16 * 16 * 3 // 2)


@functools.cache
def torchcodec_failure() -> str | None:
    """The reason why torchcodec cannot decode on this machine, or None. Tested once per process, without output.

    An import is not sufficient: from version 0.16 it succeeds without FFmpeg's libraries, and the first decoder fails.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from torchcodec.decoders import VideoDecoder  # may already fail here

            VideoDecoder(_SMALLEST_VIDEO)
        except Exception as error:  # with any error torchcodec cannot be used
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            return "FFmpeg's libraries do not load" if "load libtorchcodec" in reason else reason
    return None


class TorchcodecReader(ClosingReader):
    """One video, open. Raises VideoReadError naming the file, `torchcodec` and its cause."""

    backend = BACKEND

    def __init__(self, path: str | PathLike[str], *, threads: int, short_side_pixels: int | None) -> None:
        self.path, self._file = fspath(path), existing_file(path, backend=BACKEND)
        self._threads, self._scales = threads, short_side_pixels is not None
        try:
            size = None if short_side_pixels is None else self._scaled_size(short_side_pixels)
            self._decoder = self._opened(seek_mode="exact", size=size)
        except _FAILURES as error:
            raise self._failure(error) from error
        self._frame_count = int(self._decoder.metadata.num_frames)
        if self._frame_count == 0:
            raise VideoReadError(self.path, BACKEND, "no frames")

    @property
    def frame_count(self) -> int:
        return self._frame_count

    def frames(self, indices: Sequence[int]) -> Tensor:
        wanted = require_indices(indices, frame_count=self.frame_count, path=self.path)
        try:
            return self._read(wanted)
        except _FAILURES as error:
            if self._scales:
                raise self._failure(error) from error
        metadata, self._scales = self._decoder.metadata, True
        try:  # a frame whose size differs from the first one's is an error, unless all are scaled
            self._decoder = self._opened(seek_mode="exact", size=(metadata.height, metadata.width))
            return self._read(wanted)
        except _FAILURES as error:
            raise self._failure(error) from error

    def close(self) -> None:
        self.__dict__.pop("_decoder", None)  # torchcodec closes the file when its decoder is freed

    def _read(self, indices: list[int]) -> Tensor:
        """Decode singly in ascending order, so that the time limit applies to each frame. It is as fast as one call for all frames."""
        frame_of: dict[int, Tensor] = {}
        for index in sorted(set(indices)):
            frame_of[index] = self._decoder.get_frames_at([index]).data
            still_working()
        return torch.cat([frame_of[index] for index in indices]).contiguous(memory_format=torch.channels_last)

    def _opened(self, *, seek_mode: str, size: tuple[int, int] | None) -> Any:
        # Imported here because versions before 0.16 cannot be imported without FFmpeg's libraries.
        from torchcodec import decoders, transforms

        resize = None if size is None else [transforms.Resize(size)]
        return decoders.VideoDecoder(self._file, num_ffmpeg_threads=self._threads, seek_mode=seek_mode, transforms=resize)

    def _scaled_size(self, short_side_pixels: int) -> tuple[int, int]:
        metadata = self._opened(seek_mode="approximate", size=None).metadata
        return scaled_size(height=metadata.height, width=metadata.width, short_side_pixels=short_side_pixels)

    def _failure(self, error: Exception) -> VideoReadError:
        return VideoReadError(self.path, BACKEND, readable_reason(str(error), file=self._file))


def readable_reason(message: str, *, file: str) -> str:
    """torchcodec's message in one line, without the C++ source location."""
    if "best video stream is unknown" in message:
        return "no video stream"
    first_line = message.strip().splitlines()[0] if message.strip() else "unknown error"
    place_removed = re.sub(r"^.*?\.(?:cpp|h):\d+,\s*", "", first_line)
    return " ".join(place_removed.replace(file, "").split()).strip(" :.") or first_line
