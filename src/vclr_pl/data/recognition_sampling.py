"""Which frames of a video recognition sees: one random frame, or clip, of each of n equal segments; at test the segments' centers.

The published sampler (mmaction2 0.11, `SampleFrames`), index for index. For one frame a segment: n segments of `frame_count // n`
frames, the remainder left; with fewer frames than segments the frames at `round(k x frame_count / n)`, counted around the end.

Legend: S segments, T frames of a clip.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vclr_pl.types import InputError

FrameIndices = npt.NDArray[np.int64]


class RecognitionSampling:
    """Frames (`frames_per_clip` 1) or clips of T frames, `frame_stride` apart, of each of S segments."""

    def __init__(self, *, segments: int, frames_per_clip: int, frame_stride: int) -> None:
        for name, value in (("segments", segments), ("frames_per_clip", frames_per_clip), ("frame_stride", frame_stride)):
            if value < 1:
                raise InputError(expected="at least 1", got=f"sampling.{name}={value}", remedy=f"Set sampling.{name}=1 or more.")
        self.segments, self.frames_per_clip, self.frame_stride = segments, frames_per_clip, frame_stride

    def draw(self, *, frame_count: int, generator: np.random.Generator) -> FrameIndices:
        """`[S, T]` frame indices for training, random; a clip that would pass the end goes on at the beginning."""
        starts = train_starts(
            frame_count=frame_count,
            segments=self.segments,
            span=self.frames_per_clip * self.frame_stride if self.frames_per_clip > 1 else 1,
            generator=generator,
        )
        clips: FrameIndices = starts[:, None] + self.frame_stride * np.arange(self.frames_per_clip, dtype=np.int64)
        return clips % frame_count


def train_starts(*, frame_count: int, segments: int, span: int, generator: np.random.Generator) -> FrameIndices:
    """`[S]`: first frames of clips `span` frames long. `generator` is not asked where there is no choice."""
    places = frame_count - span + 1
    length = places // segments
    if length > 0:
        return np.arange(segments, dtype=np.int64) * length + generator.integers(length, size=segments)
    if frame_count > max(segments, span):
        return np.sort(generator.integers(places, size=segments))
    if length == 0:
        return np.round(np.arange(segments) * (places / segments)).astype(np.int64)
    return np.zeros(segments, dtype=np.int64)


def segment_centers(*, frame_count: int, segments: int) -> list[int]:
    """The middle frame of each of S equal segments, `floor(frame_count / S x (k + 1/2))`; frames repeat where there are fewer."""
    length = frame_count / segments
    return [int(length * number + length / 2) for number in range(segments)]
