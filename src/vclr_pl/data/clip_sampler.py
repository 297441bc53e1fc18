"""The published segments as a pytorchvideo ClipSampler.

Legend: S segments, T frames of a clip.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
from pytorchvideo.data.clip_sampling import ClipInfoList, ClipSampler

from vclr_pl.data.segment_sampling import SegmentFrames, draw_segment_frames
from vclr_pl.types import InputError

STOCK_FRAMES_PER_SECOND = 30  # pytorchvideo's own assumption where it is told no rate; only `__call__` uses it


class SegmentClipSampler(ClipSampler):  # type: ignore[misc]
    """Two distinct moments of each of S segments: frames (`frames_per_clip` 1) or clips of T frames, `frame_stride` apart.

    Our datasets ask `draw` for frame indices, exact at any frame rate. A stock pytorchvideo `LabeledVideoDataset` asks with
    times: it gets 2 S clips, the query's of each segment first, then the key's, at 30 frames per second.
    """

    def __init__(self, *, segments: int, frames_per_clip: int, frame_stride: int) -> None:
        for name, value, least in (("segments", segments, 2), ("frames_per_clip", frames_per_clip, 1), ("frame_stride", frame_stride, 1)):
            if value < least:
                raise InputError(
                    expected=f"at least {least}", got=f"sampling.{name}={value}", remedy=f"Set sampling.{name}={least} or more."
                )
        super().__init__(Fraction((frames_per_clip - 1) * frame_stride + 1, STOCK_FRAMES_PER_SECOND))
        self.segments, self.frames_per_clip, self.frame_stride = segments, frames_per_clip, frame_stride

    def draw(self, *, frame_count: int, generator: np.random.Generator) -> SegmentFrames:
        """Frame indices of a video of `frame_count` frames. Raises VideoTooShortError below two frames a segment."""
        return draw_segment_frames(
            frame_count=frame_count,
            segments=self.segments,
            frames_per_clip=self.frames_per_clip,
            frame_stride=self.frame_stride,
            generator=generator,
        )

    def __call__(self, last_clip_time: float | Fraction, video_duration: float | Fraction, annotation: dict[str, Any]) -> ClipInfoList:
        """Start and end in seconds of the 2 S clips of a video of `video_duration` seconds, for pytorchvideo's own datasets."""
        del last_clip_time, annotation
        # Python's generator is the one that pytorchvideo's samplers use and that its users seed.
        generator = np.random.default_rng(random.getrandbits(64))
        drawn = self.draw(frame_count=int(video_duration * STOCK_FRAMES_PER_SECOND), generator=generator)
        starts = [Fraction(int(clip[0]), STOCK_FRAMES_PER_SECOND) for clip in (*drawn.query, *drawn.key)]
        clips = len(starts)
        return ClipInfoList(
            clip_start_sec=starts,
            clip_end_sec=[start + self._clip_duration for start in starts],
            clip_index=list(range(clips)),
            aug_index=[0] * clips,
            is_last_clip=[False] * (clips - 1) + [True],
        )
