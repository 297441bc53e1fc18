"""Decode frames by index with PyAV, which includes FFmpeg and so works on every machine.

Packets are scanned first, without decoding. In a few milliseconds this gives the exact number of frames, their presentation times and the
keyframes (`container.scan_packets`). Then decoding starts at the last keyframe before a requested frame, and decodes only
reference frames: most B-frames are skipped, which torchcodec cannot do.

Legend: T requested frames, C channels, H W pixels.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from typing import cast

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from vclr_pl.video.container import Keyframe, PacketScan, orientation_of, scan_packets
from vclr_pl.video.protocol import ClosingReader, VideoReadError, existing_file, require_indices, scaled_size, still_working

BACKEND = "pyav"
# Codecs in which no frame references a frame that FFmpeg marks unreferenced. In HEVC the mark is relative to a temporal layer.
PASSING_OVER = ("h264", "mpeg4")
_KEYFRAMES_TRIED = 2


class PyavDecoder:
    """Opens videos with PyAV. `threads` is per open video; `short_side_pixels` resizes (bilinear) while the color is converted."""

    def __init__(self, *, threads: int, short_side_pixels: int | None) -> None:
        self.threads, self.short_side_pixels = threads, short_side_pixels

    def backend_of(self, path: str | PathLike[str]) -> str:  # noqa: ARG002
        return BACKEND

    def open(self, path: str | PathLike[str]) -> PyavReader:
        return PyavReader(path, threads=self.threads, short_side_pixels=self.short_side_pixels)


class FrameAbsentError(VideoReadError):
    """The decoder does not return a frame that the file's packets announce."""


class PyavReader(ClosingReader):
    """One video, open. Raises VideoReadError naming the file, `pyav` and FFmpeg's cause."""

    backend = BACKEND

    def __init__(self, path: str | PathLike[str], *, threads: int, short_side_pixels: int | None) -> None:
        self.path, self._file = fspath(path), existing_file(path, backend=BACKEND)
        self._threads, self._short_side_pixels = threads, short_side_pixels
        self._passes_over = threads == 1  # with several threads, several packets are decoded at a time
        self._scaler = VideoReformatter()  # one thread, since a forked process cannot end those of its parent
        self._wanted_times: set[int] = set()
        self._last_wanted_time = 0
        self._container: av.container.InputContainer | None = None
        self._decoded: Iterator[av.VideoFrame] = iter(())
        self._last: av.VideoFrame | None = None
        self._fresh = False  # true if the container is at its start and unread
        try:
            self._restart()
            self._size: tuple[int, int] = self._stream.codec_context.height, self._stream.codec_context.width  # size of the first frame
            assert self._container is not None
            self._scan: PacketScan = scan_packets(self._container, self._stream)
            if self._scan.frame_count == 0:
                raise VideoReadError(self.path, BACKEND, "no frames")
            if not self._scan.times:
                self._restart()
        except (av.FFmpegError, OSError, ValueError) as error:
            self.close()
            raise self._failure(error) from error
        except VideoReadError:
            self.close()
            raise
        self._fresh = not self._scan.times  # a scanned container is at its end; seek before reading

    @property
    def frame_count(self) -> int:
        return self._scan.frame_count

    def frames(self, indices: Sequence[int]) -> Tensor:
        wanted = require_indices(indices, frame_count=self.frame_count, path=self.path)
        try:
            pixels = self._read_all(sorted(set(wanted)))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._failure(error) from error
        frames_THWC = np.stack([pixels[index] for index in wanted])
        return torch.from_numpy(frames_THWC).permute(0, 3, 1, 2)

    def close(self) -> None:
        self._last, self._decoded = None, iter(())  # breaks the reference cycle between generator and reader
        if self._container is not None:
            self._container.close()
            self._container = None

    def _read_all(self, ascending: list[int]) -> dict[int, NDArray[np.uint8]]:
        while True:
            self._wanted_times = {self._scan.times[index] for index in ascending} if self._scan.times else set()
            self._last_wanted_time = max(self._wanted_times, default=0)
            try:
                return {index: self._frame(index) for index in ascending}
            except FrameAbsentError:
                if not self._becomes_more_careful():
                    raise

    def _becomes_more_careful(self) -> bool:
        """Fall back for streams with wrong marks of unreferenced frames, or without seeking. False if there is no further fallback."""
        if self._passes_over:
            self._passes_over = False
        elif not self._scan.certain:
            self._scan = self._scan.without_times()
        else:
            return False
        self._restart()
        self._fresh = False
        return True

    def _failure(self, error: Exception) -> VideoReadError:
        return VideoReadError(self.path, BACKEND, str(getattr(error, "strerror", None) or error))

    def _restart(self) -> None:
        """Reopen the file: the only way to return to the start that works with every container."""
        self.close()
        self._container = av.open(self._file, metadata_errors="replace")  # a title may be in any encoding
        self._stream = self._container.streams.best("video")
        if self._stream is None:
            raise VideoReadError(self.path, BACKEND, "no video stream")
        self._passes_over &= self._stream.codec_context.name in PASSING_OVER
        self._stream.thread_count = self._threads
        self._stream.thread_type = "AUTO" if self._threads > 1 else "NONE"
        self._decoded = self._decode()
        self._position = -1  # index of the frame decoded last

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Frames in presentation order. Unreferenced frames that are not requested may be skipped."""
        assert self._container is not None, "the video is closed"
        context = self._stream.codec_context
        for packet in self._container.demux(self._stream):
            context.skip_frame = "NONREF" if self._is_passed_over(packet) else "DEFAULT"
            still_working()
            yield from packet.decode()

    def _is_passed_over(self, packet: av.Packet) -> bool:
        # Frames after the last requested one are decoded: a decoder reads ahead, and the next call may continue here. Without times
        # frames are counted, so none may be skipped.
        time = packet.pts
        if not self._passes_over or not self._scan.times or time is None:
            return False
        return time < self._last_wanted_time and time not in self._wanted_times

    def _frame(self, index: int) -> NDArray[np.uint8]:
        if index != self._position:
            self._move_to(index)
        assert self._last is not None
        return self._rgb(self._last)

    def _move_to(self, index: int) -> None:
        start = self._scan.last_start(index) if self._scan.times else None
        behind = index < self._position or (start is not None and start.frame > self._position + 1)
        if start is not None and (behind or not self._fresh):
            self._seek(start)
        elif index < self._position or not self._fresh:
            self._restart()
        self._fresh = True
        while self._position < index:
            self._read()
        if self._position != index:
            raise FrameAbsentError(self.path, BACKEND, f"frame {index} of {self.frame_count} does not decode")

    def _seek(self, keyframe: Keyframe) -> None:
        assert self._container is not None, "the video is closed"
        for place in self._places(keyframe):
            try:
                self._container.seek(
                    place, stream=self._stream, backward=True, any_frame=False, unsupported_byte_offset=self._scan.by_bytes
                )
            except av.FFmpegError:
                if self._scan.certain:
                    raise
                raise FrameAbsentError(self.path, BACKEND, "the container cannot be sought") from None
            self._decoded, self._position, self._last = self._decode(), -1, None
            self._read()
            if self._position <= keyframe.frame:
                return
        self._restart()

    def _places(self, keyframe: Keyframe) -> list[int]:
        """Positions to seek to, in turn, until the container is at the keyframe or before it."""
        # Seeking may end elsewhere (no index, unusual edit lists), and a keyframe may need frames before it (intra refresh): step back
        # one keyframe, finally to the start of the file.
        latest_first = self._scan.keyframes[: bisect.bisect_right(self._scan.keyframes, keyframe)][: -_KEYFRAMES_TRIED - 1 : -1]
        if self._scan.by_bytes:
            return [one.byte for one in latest_first]
        # FFmpeg seeks by presentation time in MP4, by decoding time in other containers.
        return [self._scan.times[keyframe.frame], *(one.decoding_time for one in latest_first)]

    def _read(self) -> None:
        frame = next((frame for frame in self._decoded if not self._is_before_the_first(frame)), None)
        if frame is None:
            raise FrameAbsentError(self.path, BACKEND, f"only {self._position + 1} of {self.frame_count} frames decode")
        self._position, self._last = self._index(frame), frame

    def _is_before_the_first(self, frame: av.VideoFrame) -> bool:
        """True for a frame from an incomplete group of pictures at the start of a cut stream."""
        return not self._scan.certain and frame.pts is not None and frame.pts < self._scan.times[0]

    def _index(self, frame: av.VideoFrame) -> int:
        if not self._scan.times or frame.pts is None:
            return self._position + 1
        index = bisect.bisect_left(self._scan.times, frame.pts)
        if not self._scan.certain and frame.pts not in self._scan.times[index : index + 1]:
            raise FrameAbsentError(self.path, BACKEND, f"a frame at time {frame.pts} that no packet announces")
        return index

    def _rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """`[H, W, C]`, in the orientation of the file. A frame whose size differs from the first one's is scaled to it."""
        stored = (frame.height, frame.width)
        first = self._size if all(self._size) else stored
        height, width = scaled_size(height=first[0], width=first[1], short_side_pixels=self._short_side_pixels)
        interpolation = "BILINEAR" if first == stored else "BICUBIC"  # as in the ffmpeg program for frames of changing size
        if frame.format.components[0].bits > 8:
            # FFmpeg's versions convert 10 bits to RGB differently, by up to 2.7 of 255. With this conversion they agree within 0.6.
            frame_8bit = self._scaler.reformat(frame, format="yuv422p", interpolation="BICUBIC", threads=1)
        else:
            frame_8bit = frame
        scaled = self._scaler.reformat(frame_8bit, format="rgb24", width=width, height=height, interpolation=interpolation, threads=1)
        return orientation_of(frame).apply(cast(NDArray[np.uint8], scaled.to_ndarray()))
