"""Frames by index with torchcodec, on the FFmpeg libraries of the machine.

torchcodec finds frame i by its presentation time, exactly (`seek_mode="exact"` scans the packets once). That time is stored in MP4 and
Matroska. It is not in AVI with B-frames, and seeking is inexact in transport and program streams: there torchcodec gives a neighbor or
an error, so those files are read with PyAV.

Legend: T frames asked for, C channels, H W pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike, fspath

from torch import Tensor
from torchcodec.decoders import VideoDecoder
from torchcodec.transforms import Resize

from vclr_pl.data.decoding.container import container_of
from vclr_pl.data.decoding.protocol import ClosingReader, VideoReader, VideoReadError, existing_file, require_indices, scaled_size
from vclr_pl.data.decoding.pyav import PyavReader

BACKEND = "torchcodec"


class TorchcodecDecoder:
    """Opens videos with torchcodec. `threads` is per open video; `short_side_pixels` resizes (bilinear) inside the decoder."""

    backend = BACKEND

    def __init__(self, *, threads: int, short_side_pixels: int | None) -> None:
        self.threads, self.short_side_pixels = threads, short_side_pixels

    def open(self, path: str | PathLike[str]) -> VideoReader:
        file = existing_file(path, backend=BACKEND)
        try:
            container = container_of(file)
        except OSError as error:
            raise VideoReadError(fspath(path), BACKEND, str(error.strerror or error)) from error
        if container is None:
            return PyavReader(path, threads=self.threads, short_side_pixels=self.short_side_pixels)
        reader = TorchcodecReader(path, container=container, threads=self.threads, short_side_pixels=self.short_side_pixels)
        if container == "avi" and not reader.avi_in_order:
            return PyavReader(path, threads=self.threads, short_side_pixels=self.short_side_pixels)
        return reader


class TorchcodecReader(ClosingReader):
    """One video, open. Raises VideoReadError naming the file, `torchcodec` and its cause."""

    def __init__(self, path: str | PathLike[str], *, container: str, threads: int, short_side_pixels: int | None) -> None:
        self.path, self._file, self._container = fspath(path), existing_file(path, backend=BACKEND), container
        self._threads, self._short_side_pixels = threads, short_side_pixels
        self._counted: PyavReader | None = None  # takes over where presentation times turn out to be missing
        try:
            transforms = None if short_side_pixels is None else [self._resize(short_side_pixels)]
            self._decoder = VideoDecoder(self._file, num_ffmpeg_threads=threads, seek_mode="exact", transforms=transforms)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise self._failure(error) from error
        self._frame_count = int(self._decoder.metadata.num_frames)
        if self._frame_count == 0:
            raise VideoReadError(self.path, BACKEND, "no frames")

    @property
    def frame_count(self) -> int:
        return self._frame_count

    @property
    def avi_in_order(self) -> bool:
        """Whether an AVI's frames are stored in the order shown. B-frames delay the decoder, so that the first frame's time is not 0."""
        metadata = self._decoder.metadata
        return metadata.codec in ("mpeg4", "mjpeg") and metadata.begin_stream_seconds_from_content == 0

    def frames(self, indices: Sequence[int]) -> Tensor:
        wanted = require_indices(indices, frame_count=self.frame_count, path=self.path)
        if self._counted is not None:
            return self._counted.frames(wanted)
        try:
            batch = self._decoder.get_frames_at(wanted)
        except (RuntimeError, ValueError, IndexError) as error:
            if self._container == "avi":
                return self._take_over().frames(wanted)
            raise self._failure(error) from error
        if self._container == "avi" and not self._in_order(wanted, batch.pts_seconds):
            return self._take_over().frames(wanted)
        frames_TCHW: Tensor = batch.data
        return frames_TCHW

    def close(self) -> None:
        self.__dict__.pop("_decoder", None)  # torchcodec closes the file when its decoder goes
        if self._counted is not None:
            self._counted.close()

    def _resize(self, short_side_pixels: int) -> Resize:
        metadata = VideoDecoder(self._file, num_ffmpeg_threads=self._threads, seek_mode="approximate").metadata
        return Resize(scaled_size(height=metadata.height, width=metadata.width, short_side_pixels=short_side_pixels))

    def _in_order(self, indices: Sequence[int], pts_seconds: Tensor) -> bool:
        """AVI ticks once a frame, so without B-frames frame i is shown at tick i."""
        rate = float(self._decoder.metadata.average_fps)
        return all(abs(seconds * rate - index) < 0.25 for seconds, index in zip(pts_seconds.tolist(), indices, strict=True))

    def _take_over(self) -> PyavReader:
        self._counted = PyavReader(self.path, threads=self._threads, short_side_pixels=self._short_side_pixels)
        return self._counted

    def _failure(self, error: Exception) -> VideoReadError:
        return VideoReadError(self.path, BACKEND, readable_reason(str(error), file=self._file))


def readable_reason(message: str, *, file: str) -> str:
    """torchcodec's message without the C++ place that raised it, and in one line."""
    if "best video stream is unknown" in message:
        return "no video stream"
    first_line = message.strip().splitlines()[0] if message.strip() else "unknown error"
    place_removed = re.sub(r"^.*?\.(?:cpp|h):\d+,\s*", "", first_line)
    return " ".join(place_removed.replace(file, "").split()).strip(" :.") or first_line
