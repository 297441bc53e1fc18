"""A copy of one video that reads faster: smaller, with a keyframe every few frames, and no B-frames.

To show frame i a decoder starts at the last keyframe before it: of ordinary H.264 that is up to 250 frames back, here at most
`keyframe_every` - 1.

Legend: H W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from os import PathLike, fspath

import av
import numpy as np
from av.video.reformatter import ColorRange

from vclr_pl.files import DISK_IS_FULL
from vclr_pl.types import InputError
from vclr_pl.video.container import UPRIGHT, orientation_of
from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import BACKEND, PyavDecoder

CONTAINER = "mp4"
_RANGE = ColorRange.MPEG  # 16 to 235, which every decoder expects of H.264


class Reencoder:
    """H.264 in an MP4 container, sound left out, frame for frame, each at its time.

    Args:
        short_side_pixels: of the copy.
        keyframe_every: frames.
        crf: x264's constant rate factor: 18 looks like the original, 23 is x264's default.
        preset: x264's; what encodes slower takes less room.
        tune: x264's; `fastdecode` does without the deblocking filter and the arithmetic coder.
        enlarge: whether a video smaller than `short_side_pixels` is enlarged, or keeps its size.
    """

    def __init__(self, *, short_side_pixels: int, keyframe_every: int, crf: int, preset: str, tune: str | None, enlarge: bool) -> None:
        for key, value, least in (("short_side_pixels", short_side_pixels, 16), ("keyframe_every", keyframe_every, 1), ("crf", crf, 0)):
            if value < least:
                raise InputError(expected=f"set_copy.reencoder.{key} of at least {least}", got=str(value), hint="Correct the value.")
        self.short_side_pixels, self.keyframe_every, self.crf, self.preset = short_side_pixels, keyframe_every, crf, preset
        self.tune, self.enlarge = tune, enlarge

    @property
    def settings(self) -> dict[str, object]:
        """What two copies must have in common to stand in one folder."""
        return dict(vars(self))

    def encode(self, source: str | PathLike[str], target: str | PathLike[str], *, each_frame: Callable[[], None]) -> int:
        """Writes `target`, whatever its suffix, as MP4; returns the frames.

        Raises VideoReadError where the source does not decode whole, which leaves a useless target behind; OSError for a full disk.
        """
        with PyavDecoder(threads=1, short_side_pixels=None).open(source) as reader:
            expected = reader.frame_count
        try:
            frames = self._encode(fspath(source), fspath(target), each_frame)
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
                raise
            raise VideoReadError(fspath(source), BACKEND, str(getattr(error, "strerror", None) or error)) from error
        if frames != expected:
            raise VideoReadError(fspath(source), BACKEND, f"only {frames} of {expected} frames decode")
        return frames

    def _encode(self, source: str, target: str, each_frame: Callable[[], None]) -> int:
        with (
            av.open(source, metadata_errors="replace") as original,
            av.open(target, "w", format=CONTAINER, options={"movflags": "+faststart"}) as copy,
        ):
            stream = original.streams.best("video")
            stream.thread_count, stream.thread_type = 1, "NONE"
            clock = _Clock(time_base=stream.time_base, rate=stream.average_rate or stream.guessed_rate)
            written, frames = None, 0
            for frame in original.decode(stream):
                upright = _upright(frame)
                if written is None:
                    written = self._stream(copy, upright, clock)
                picture = _scaled(upright, height=written.height, width=written.width)
                picture.pts, picture.time_base = clock.time_of(frame.pts), clock.time_base
                picture.pict_type = av.video.frame.PictureType.NONE  # x264 decides, not the original
                copy.mux(written.encode(picture))
                frames += 1
                each_frame()
            if written is not None:
                copy.mux(written.encode(None))
        return frames

    def _stream(self, copy: av.container.OutputContainer, first: av.VideoFrame, clock: _Clock) -> av.VideoStream:
        height, width = self._size(height=first.height, width=first.width)
        every = str(self.keyframe_every)
        options = {"preset": self.preset, "crf": str(self.crf), "bf": "0", "g": every, "keyint_min": every, "sc_threshold": "0"}
        if self.tune is not None:
            options["tune"] = self.tune
        written = copy.add_stream("libx264", rate=clock.rate, options=options)
        written.width, written.height, written.pix_fmt = width, height, "yuv420p"
        written.codec_context.time_base = clock.time_base
        written.codec_context.thread_count = 1
        written.codec_context.colorspace = first.colorspace  # without it a decoder takes a small picture for BT.601
        written.codec_context.color_range = _RANGE
        return written

    def _size(self, *, height: int, width: int) -> tuple[int, int]:
        """(height, width), both even, as H.264 with half the color needs them."""
        keeps_its_size = min(height, width) <= self.short_side_pixels and not self.enlarge
        scale = 1.0 if keeps_its_size else self.short_side_pixels / min(height, width)
        return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


class _Clock:
    """Frames' times, from 0 on and rising; where a container tells none, one tick of the frame rate after another."""

    def __init__(self, *, time_base: Fraction, rate: Fraction | None) -> None:
        self.time_base, self.rate = time_base, rate or Fraction(25)
        self._tick = max(1, round(1 / (self.rate * time_base)))
        self._first: int | None = None
        self._last = -self._tick

    def time_of(self, told: int | None) -> int:
        if self._first is None:
            self._first = told or 0
        expected = self._last + self._tick
        time = expected if told is None else told - self._first
        self._last = time if time > self._last else expected
        return self._last


def _scaled(frame: av.VideoFrame, *, height: int, width: int) -> av.VideoFrame:
    ranges = {"src_color_range": frame.color_range, "dst_color_range": _RANGE}
    return frame.reformat(width=width, height=height, format="yuv420p", interpolation="BICUBIC", **ranges)


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
    """Turned and mirrored as the file says."""
    orientation = orientation_of(frame)
    if orientation == UPRIGHT:
        return frame
    shown = orientation.apply(frame.to_ndarray(format="rgb24"))
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
