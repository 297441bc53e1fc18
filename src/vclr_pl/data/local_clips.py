"""Sampling of two short clips of a video (CVRL, Qian et al. 2021, arXiv 2008.03800, section 3.2).

Legend: S segments, T frames of a clip.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np

from vclr_pl.data.sampling import FrameIndices, SegmentClipSampler, SegmentFrames, VideoTooShortError, clip_at
from vclr_pl.types import InputError


def draw_window_starts(*, starts: int, generator: np.random.Generator) -> tuple[int, int]:
    """Draw the first frames of two windows, of `starts` possible ones, with CVRL's decreasing distribution of their interval.

    The interval t has the probability `P(t) ~ starts - t`, t = 0 to starts - 1: equal windows are the likeliest, and the two ends of the
    video the least likely. The earlier window starts uniformly in the `starts - t` places that are left. Which of the two comes first is
    drawn with probability 1/2.
    """
    weight = np.arange(starts, 0, -1, dtype=np.float64)
    interval = int(generator.choice(starts, p=weight / weight.sum()))
    earlier = int(generator.integers(starts - interval))
    pair = (earlier, earlier + interval)
    return pair if generator.integers(2) else pair[::-1]


class LocalClips(SegmentClipSampler):
    """Two short clips of a video, each S frames of one window, in place of frames from the whole video.

    A window has `window_fraction` of the video's frames, or `window_frames` of them; at least S, at most all. The key's and the query's
    windows are drawn by `draw_window_starts`, and may overlap. Each window is divided into S equal parts, and gives one random frame of
    each part, or one clip of T frames (`frames_per_clip`), `frame_stride` apart, for 3D networks. A clip that is longer than its part has a
    lower stride, then repeats the part's last frame.

    With the same objective it differs from `SegmentClipSampler` in one respect, the part of the video that a tuple covers. It needs as many
    frames: two of each segment. Views, tuples and order labels have the same meaning: the frames of a tuple are in time.

    Args:
        window_fraction: length of a window as a fraction of the video, above 0, at most 1.
        window_frames: its length in frames instead; None for the fraction.

    Raises:
        InputError: a fraction outside 0 to 1, or fewer `window_frames` than segments.
    """

    in_words: ClassVar[str] = "frames or clips of one short window for the query and of another one for the key, each in equal segments"

    def __init__(
        self, *, segments: int, frames_per_clip: int, frame_stride: int, window_fraction: float, window_frames: int | None
    ) -> None:
        super().__init__(segments=segments, frames_per_clip=frames_per_clip, frame_stride=frame_stride)
        if not 0.0 < window_fraction <= 1.0:
            raise InputError(
                expected="a fraction of the video above 0 and at most 1",
                got=f"sampling.window_fraction={window_fraction}",
                hint="Set sampling.window_fraction=0.2, or sampling.window_frames for a number of frames.",
            )
        if window_frames is not None and window_frames < segments:
            raise InputError(
                expected=f"a window of at least one frame for each of the {segments} segments",
                got=f"sampling.window_frames={window_frames}",
                hint=f"Set sampling.window_frames={segments} or more, or null.",
            )
        self.window_fraction, self.window_frames = window_fraction, window_frames

    def window_length(self, frame_count: int) -> int:
        """Frames of a window of a video of `frame_count` frames."""
        wanted = round(self.window_fraction * frame_count) if self.window_frames is None else self.window_frames
        return min(max(wanted, self.segments), frame_count)

    def draw(self, *, frame_count: int, generator: np.random.Generator) -> SegmentFrames:
        """Frame indices of a video of `frame_count` frames. Raises VideoTooShortError below two frames per segment."""
        if frame_count < 2 * self.segments:
            raise VideoTooShortError(frame_count=frame_count, segments=self.segments)
        length = self.window_length(frame_count)
        key, query = (
            self._draw_clip(first=first, length=length, generator=generator)
            for first in draw_window_starts(starts=frame_count - length + 1, generator=generator)
        )
        return SegmentFrames(key=key, query=query)

    def _draw_clip(self, *, first: int, length: int, generator: np.random.Generator) -> FrameIndices:
        """`[S, T]` frame indices of the window of `length` frames from `first`."""
        bounds = [first + part * length // self.segments for part in range(self.segments + 1)]
        return np.stack([self._draw_moment(bounds=part, generator=generator) for part in itertools.pairwise(bounds)])

    def _draw_moment(self, *, bounds: tuple[int, int], generator: np.random.Generator) -> FrameIndices:
        """`[T]` frame indices inside a part of a window."""
        length, gaps = bounds[1] - bounds[0], self.frames_per_clip - 1
        stride = max(1, min(self.frame_stride, (length - 1) // gaps)) if gaps else self.frame_stride
        start = bounds[0] + int(generator.integers(max(1, length - gaps * stride)))
        return clip_at(start=start, bounds=bounds, frames_per_clip=self.frames_per_clip, stride=stride)
