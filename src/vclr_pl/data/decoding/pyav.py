"""Frames by index with PyAV, which brings its own FFmpeg: works on a machine that has none.

Packets are scanned first, without decoding: a few milliseconds that give the exact number of frames, their presentation times and the
keyframes. Then only what lies between a wanted frame and the last keyframe before it is decoded, and of that only what other frames
are predicted from: most B-frames are passed over, which torchcodec cannot do.

Legend: T frames asked for, C channels, H W pixels.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import cast

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from vclr_pl.data.decoding.protocol import ClosingReader, VideoReadError, existing_file, require_indices, scaled_size

BACKEND = "pyav"
# Where a frame that FFmpeg calls unreferenced is referenced by none: HEVC's mark is relative to a layer of time.
PASSING_OVER = ("h264", "mpeg4")


class PyavDecoder:
    """Opens videos with PyAV. `threads` is per open video; `short_side_pixels` resizes (bilinear) while the color is converted."""

    def __init__(self, *, threads: int, short_side_pixels: int | None) -> None:
        self.threads, self.short_side_pixels = threads, short_side_pixels

    def backend_of(self, path: str | PathLike[str]) -> str:  # noqa: ARG002
        return BACKEND

    def open(self, path: str | PathLike[str]) -> PyavReader:
        return PyavReader(path, threads=self.threads, short_side_pixels=self.short_side_pixels)


class FrameAbsentError(VideoReadError):
    """The file's packets announce a frame that does not come out of the decoder."""


@dataclass(frozen=True)
class PacketScan:
    """What the packets say. `times` are sorted presentation times, empty where they do not identify a frame."""

    frame_count: int
    times: list[int]
    keyframes: list[int]  # indices of the frames at which decoding can start
    keyframe_seek_times: list[int]  # decoding time of each, which is what containers index


class PyavReader(ClosingReader):
    """One video, open. Raises VideoReadError naming the file, `pyav` and FFmpeg's cause."""

    backend = BACKEND

    def __init__(self, path: str | PathLike[str], *, threads: int, short_side_pixels: int | None) -> None:
        self.path, self._file = fspath(path), existing_file(path, backend=BACKEND)
        self._threads, self._short_side_pixels = threads, short_side_pixels
        self._passes_over = threads == 1  # several threads decode several packets at a time
        self._scaler = VideoReformatter()  # one thread, since a forked process cannot end those of its parent
        self._wanted_times: set[int] = set()
        self._last_wanted_time = 0
        self._container: av.container.InputContainer | None = None
        self._decoded: Iterator[av.VideoFrame] = iter(())
        self._last: av.VideoFrame | None = None
        try:
            self._restart()
            self._scan = self._scan_packets()
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
        self._fresh = not self._scan.times  # a scanned container stands at its end and must be sought before it is read

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
        self._last, self._decoded = None, iter(())  # the generator holds this reader: without it, no garbage is left for later
        if self._container is not None:
            self._container.close()
            self._container = None

    def _read_all(self, ascending: list[int]) -> dict[int, NDArray[np.uint8]]:
        self._wanted_times = {self._scan.times[index] for index in ascending} if self._scan.times else set()
        self._last_wanted_time = max(self._wanted_times, default=0)
        try:
            return {index: self._frame(index) for index in ascending}
        except FrameAbsentError:
            if not self._passes_over:
                raise
        self._passes_over = False  # a stream that calls a frame dispensable and is wrong
        self._restart()
        self._fresh = False
        return {index: self._frame(index) for index in ascending}

    def _failure(self, error: Exception) -> VideoReadError:
        return VideoReadError(self.path, BACKEND, str(getattr(error, "strerror", None) or error))

    def _restart(self) -> None:
        """Opens the file anew: the one way back to the start that every container offers."""
        self.close()
        self._container = av.open(self._file)
        self._stream = self._container.streams.best("video")
        if self._stream is None:
            raise VideoReadError(self.path, BACKEND, "no video stream")
        self._passes_over &= self._stream.codec_context.name in PASSING_OVER
        self._stream.thread_count = self._threads
        self._stream.thread_type = "AUTO" if self._threads > 1 else "NONE"
        self._decoded = self._decode()
        self._position = -1  # index of the frame decoded last

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Frames in the order shown. One that is not wanted, and that no other frame needs, may be left out."""
        assert self._container is not None, "the video is closed"
        context = self._stream.codec_context
        for packet in self._container.demux(self._stream):
            context.skip_frame = "NONREF" if self._is_passed_over(packet) else "DEFAULT"
            yield from packet.decode()

    def _is_passed_over(self, packet: av.Packet) -> bool:
        # Those after the last wanted frame are decoded: a decoder reads ahead, and the next call may go on from here. Without times
        # frames are counted, and none may be missing.
        time = packet.pts
        if not self._passes_over or not self._scan.times or time is None:
            return False
        return time < self._last_wanted_time and time not in self._wanted_times

    def _scan_packets(self) -> PacketScan:
        assert self._container is not None, "the video is closed"
        packets = [
            (packet.pts, packet.dts, packet.is_keyframe)
            for packet in self._container.demux(self._stream)
            if packet.size and not packet.is_discard  # an edit list hides frames by marking their packets
        ]
        times = sorted(pts for pts, _, _ in packets if pts is not None)
        in_order = all(pts == dts for pts, dts, _ in packets)
        container = self._container.format.name
        # AVI stores no presentation times and transport streams cannot be sought exactly: frames are then counted from the start.
        sought_exactly = "mp4" in container or "matroska" in container or (container == "avi" and in_order)
        identified = sought_exactly and len(set(times)) == len(packets)
        if not identified:
            return PacketScan(len(packets), [], [], [])
        starts = sorted((bisect.bisect_left(times, pts), pts if dts is None else dts) for pts, dts, is_keyframe in packets if is_keyframe)
        return PacketScan(len(packets), times, [index for index, _ in starts], [time for _, time in starts])

    def _frame(self, index: int) -> NDArray[np.uint8]:
        if index != self._position:
            self._move_to(index)
        assert self._last is not None
        return self._rgb(self._last)

    def _move_to(self, index: int) -> None:
        start = bisect.bisect_right(self._scan.keyframes, index) - 1  # the last keyframe at or before the wanted frame
        behind = index < self._position or (start >= 0 and self._scan.keyframes[start] > self._position + 1)
        if self._scan.times and start >= 0 and (behind or not self._fresh):
            self._seek(start)
        elif index < self._position or not self._fresh:
            self._restart()
        self._fresh = True
        while self._position < index:
            self._read()
        if self._position != index:
            raise FrameAbsentError(self.path, BACKEND, f"frame {index} of {self.frame_count} does not decode")

    def _seek(self, keyframe: int) -> None:
        assert self._container is not None, "the video is closed"
        # FFmpeg takes the time of MP4 for a presentation time, of other containers for a decoding time; and a container may land
        # elsewhere (no index, odd edit lists): step back a keyframe, at last to the file's start.
        times = [self._scan.times[self._scan.keyframes[keyframe]], *reversed(self._scan.keyframe_seek_times[: keyframe + 1][-2:])]
        for time in times:
            self._container.seek(time, stream=self._stream, backward=True, any_frame=False)
            self._decoded, self._position, self._last = self._decode(), -1, None
            self._read()
            if self._position <= self._scan.keyframes[keyframe]:
                return
        self._restart()

    def _read(self) -> None:
        frame = next(self._decoded, None)
        if frame is None:
            raise FrameAbsentError(self.path, BACKEND, f"only {self._position + 1} of {self.frame_count} frames decode")
        self._position, self._last = self._index(frame), frame

    def _index(self, frame: av.VideoFrame) -> int:
        if not self._scan.times or frame.pts is None:
            return self._position + 1
        return bisect.bisect_left(self._scan.times, frame.pts)

    def _rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """`[H, W, C]`, turned as the file says."""
        height, width = scaled_size(height=frame.height, width=frame.width, short_side_pixels=self._short_side_pixels)
        if frame.format.components[0].bits > 8:
            # FFmpeg's versions go from 10 bits to RGB differently, by 2.7 of 255; by this way they agree within 0.6.
            frame = self._scaler.reformat(frame, format="yuv422p", interpolation="BICUBIC", threads=1)
        scaled = self._scaler.reformat(frame, format="rgb24", width=width, height=height, interpolation="BILINEAR", threads=1)
        pixels = cast(NDArray[np.uint8], scaled.to_ndarray())
        return np.rot90(pixels, k=round(frame.rotation / 90) % 4) if abs(frame.rotation) in (90, 180, 270) else pixels
