"""Frames by index with PyAV, which brings its own FFmpeg: works on a machine that has none.

Packets are scanned first, without decoding: a few milliseconds that give the exact number of frames, their presentation times and the
keyframes (`container.scan_packets`). Then only what lies between a wanted frame and the last keyframe before it is decoded, and of
that only what other frames are predicted from: most B-frames are passed over, which torchcodec cannot do.

Legend: T frames asked for, C channels, H W pixels.
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
# Where a frame that FFmpeg calls unreferenced is referenced by none: HEVC's mark is relative to a layer of time.
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
    """The file's packets announce a frame that does not come out of the decoder."""


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
        self._fresh = False  # whether the container stands at its start, with nothing read
        try:
            self._restart()
            self._size: tuple[int, int] = self._stream.codec_context.height, self._stream.codec_context.width  # of the first frame
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
        while True:
            self._wanted_times = {self._scan.times[index] for index in ascending} if self._scan.times else set()
            self._last_wanted_time = max(self._wanted_times, default=0)
            try:
                return {index: self._frame(index) for index in ascending}
            except FrameAbsentError:
                if not self._becomes_more_careful():
                    raise

    def _becomes_more_careful(self) -> bool:
        """For a stream that calls a frame dispensable and is wrong, or cannot be sought; False where no other way is left."""
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
        """Opens the file anew: the one way back to the start that every container offers."""
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
        """Frames in the order shown. One that is not wanted, and that no other frame needs, may be left out."""
        assert self._container is not None, "the video is closed"
        context = self._stream.codec_context
        for packet in self._container.demux(self._stream):
            context.skip_frame = "NONREF" if self._is_passed_over(packet) else "DEFAULT"
            still_working()
            yield from packet.decode()

    def _is_passed_over(self, packet: av.Packet) -> bool:
        # Those after the last wanted frame are decoded: a decoder reads ahead, and the next call may go on from here. Without times
        # frames are counted, and none may be missing.
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
        """Where to seek, one after another until the container lands at the keyframe or before."""
        # A container may land elsewhere (no index, odd edit lists), and a keyframe may need frames before it (intra refresh): step back
        # a keyframe, at last to the file's start.
        latest_first = self._scan.keyframes[: bisect.bisect_right(self._scan.keyframes, keyframe)][: -_KEYFRAMES_TRIED - 1 : -1]
        if self._scan.by_bytes:
            return [one.byte for one in latest_first]
        # FFmpeg takes the time of MP4 for a presentation time, of other containers for a decoding time.
        return [self._scan.times[keyframe.frame], *(one.decoding_time for one in latest_first)]

    def _read(self) -> None:
        frame = next((frame for frame in self._decoded if not self._is_before_the_first(frame)), None)
        if frame is None:
            raise FrameAbsentError(self.path, BACKEND, f"only {self._position + 1} of {self.frame_count} frames decode")
        self._position, self._last = self._index(frame), frame

    def _is_before_the_first(self, frame: av.VideoFrame) -> bool:
        """Of a stream that was cut: what a decoder makes of the rest of a group of pictures."""
        return not self._scan.certain and frame.pts is not None and frame.pts < self._scan.times[0]

    def _index(self, frame: av.VideoFrame) -> int:
        if not self._scan.times or frame.pts is None:
            return self._position + 1
        index = bisect.bisect_left(self._scan.times, frame.pts)
        if not self._scan.certain and frame.pts not in self._scan.times[index : index + 1]:
            raise FrameAbsentError(self.path, BACKEND, f"a frame at time {frame.pts} that no packet announces")
        return index

    def _rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """`[H, W, C]`, turned as the file says. A frame of another size than the first one's is scaled to it."""
        stored = (frame.height, frame.width)
        first = self._size if all(self._size) else stored
        height, width = scaled_size(height=first[0], width=first[1], short_side_pixels=self._short_side_pixels)
        interpolation = "BILINEAR" if first == stored else "BICUBIC"  # the ffmpeg program's, of frames that change their size
        if frame.format.components[0].bits > 8:
            # FFmpeg's versions go from 10 bits to RGB differently, by 2.7 of 255; by this way they agree within 0.6.
            frame_8bit = self._scaler.reformat(frame, format="yuv422p", interpolation="BICUBIC", threads=1)
        else:
            frame_8bit = frame
        scaled = self._scaler.reformat(frame_8bit, format="rgb24", width=width, height=height, interpolation=interpolation, threads=1)
        return orientation_of(frame).apply(cast(NDArray[np.uint8], scaled.to_ndarray()))
