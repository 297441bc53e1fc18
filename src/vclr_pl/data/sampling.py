"""Sampling of frames: segments, clips, and the shuffled order of frame tuples.

Legend: S segments, T frames of a clip.

Pretraining uses the segments of VCLR's release, of which the last takes the remainder. Recognition uses `SampleFrames` of mmaction2
0.11, index for index: n segments of `frame_count // n` frames, without the remainder; with fewer frames than segments the frames at
`round(k x frame_count / n)`, counted around the end.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pytorchvideo.data.clip_sampling import ClipInfoList, ClipSampler

from vclr_pl.types import InputError

FrameIndices = npt.NDArray[np.int64]


class VideoTooShortError(Exception):
    """The video has fewer than two frames per segment, too few for two distinct moments in each."""

    def __init__(self, *, frame_count: int, segments: int) -> None:
        super().__init__(f"{frame_count} frames, but {segments} segments of two distinct frames each need {2 * segments}")


@dataclass(frozen=True)
class SegmentFrames:
    """Sampled frame indices; T is 1 for single frames."""

    key: FrameIndices  # [S, T]
    query: FrameIndices  # [S, T]


def segment_bounds(*, frame_count: int, segments: int) -> list[tuple[int, int]]:
    """First frame and end (exclusive) of each segment: length `frame_count // segments`; the last segment includes the remainder
    (VCLR, section 3; the published sampler).

    Raises VideoTooShortError below two frames a segment.
    """
    length = frame_count // segments
    if length < 2:
        raise VideoTooShortError(frame_count=frame_count, segments=segments)
    starts = [length * number for number in range(segments)]
    return list(zip(starts, [*starts[1:], frame_count], strict=True))


def fitting_stride(*, length: int, frames_per_clip: int, frame_stride: int) -> int:
    """The largest stride up to `frame_stride` for which a segment of `length` frames has two distinct clips, else 1."""
    if frames_per_clip == 1:
        return frame_stride
    return max(1, min(frame_stride, (length - 2) // (frames_per_clip - 1)))


def clip_at(*, start: int, bounds: tuple[int, int], frames_per_clip: int, stride: int) -> FrameIndices:
    """`[T]` frame indices from `start`; past the segment its last frame is repeated."""
    return np.minimum(start + stride * np.arange(frames_per_clip, dtype=np.int64), bounds[1] - 1)


def draw_segment_frames(
    *, frame_count: int, segments: int, frames_per_clip: int, frame_stride: int, generator: np.random.Generator
) -> SegmentFrames:
    """Draw two distinct starts in each segment, uniform over ordered pairs: first the key, then the query.

    With `frames_per_clip` T > 1 each moment is a clip of T frames, `frame_stride` apart, inside its segment. If a segment is too short
    for two distinct clips, the stride is reduced until they fit. If they do not fit with stride 1, the clips start at its first
    two frames and repeat its last frame. Raises VideoTooShortError below two frames per segment.
    """
    keys: list[FrameIndices] = []
    queries: list[FrameIndices] = []
    for first, end in segment_bounds(frame_count=frame_count, segments=segments):
        length = end - first
        stride = fitting_stride(length=length, frames_per_clip=frames_per_clip, frame_stride=frame_stride)
        starts = max(2, length - (frames_per_clip - 1) * stride)
        for start, clips in zip(generator.choice(starts, 2, replace=False), (keys, queries), strict=True):
            clips.append(clip_at(start=first + int(start), bounds=(first, end), frames_per_clip=frames_per_clip, stride=stride))
    return SegmentFrames(key=np.stack(keys), query=np.stack(queries))


def clips_around(*, centers: Sequence[int], frame_count: int, frames_per_clip: int, frame_stride: int) -> FrameIndices:
    """`[N, T]` frame indices of clips inside the video, with middles nearest to `centers`.

    If the video is shorter than a clip, the stride is reduced until it fits; if it has fewer than T frames, the last is repeated.
    """
    stride = 1 if frames_per_clip == 1 else max(1, min(frame_stride, (frame_count - 1) // (frames_per_clip - 1)))
    span = (frames_per_clip - 1) * stride + 1
    starts = [max(0, min(center - span // 2, frame_count - span)) for center in centers]
    return np.stack([clip_at(start=start, bounds=(0, frame_count), frames_per_clip=frames_per_clip, stride=stride) for start in starts])


STOCK_FRAMES_PER_SECOND = 30  # pytorchvideo's default for an unknown rate; used only by `__call__`


class SegmentClipSampler(ClipSampler):  # type: ignore[misc]
    """Two distinct moments of each of S segments: frames (`frames_per_clip` 1) or clips of T frames, `frame_stride` apart.

    Our datasets call `draw` for frame indices, exact at any frame rate. pytorchvideo's `LabeledVideoDataset` calls the object with
    times, and gets 2 S clips, first the query and then the key of each segment, at 30 frames per second.
    """

    in_words: ClassVar[str] = "two frames or clips of each of its equal segments, one for the query and one for the key"

    def __init__(self, *, segments: int, frames_per_clip: int, frame_stride: int) -> None:
        for name, value, least in (("segments", segments, 2), ("frames_per_clip", frames_per_clip, 1), ("frame_stride", frame_stride, 1)):
            if value < least:
                raise InputError(expected=f"at least {least}", got=f"sampling.{name}={value}", hint=f"Set sampling.{name}={least} or more.")
        super().__init__(Fraction((frames_per_clip - 1) * frame_stride + 1, STOCK_FRAMES_PER_SECOND))
        self.segments, self.frames_per_clip, self.frame_stride = segments, frames_per_clip, frame_stride

    def draw(self, *, frame_count: int, generator: np.random.Generator) -> SegmentFrames:
        """Frame indices of a video of `frame_count` frames. Raises VideoTooShortError below two frames per segment."""
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
        # pytorchvideo's samplers use Python's generator, so users seed that one.
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


class RecognitionSampling:
    """Frames (`frames_per_clip` 1) or clips of T frames, `frame_stride` apart, of each of S segments."""

    def __init__(self, *, segments: int, frames_per_clip: int, frame_stride: int) -> None:
        for name, value in (("segments", segments), ("frames_per_clip", frames_per_clip), ("frame_stride", frame_stride)):
            if value < 1:
                raise InputError(expected="at least 1", got=f"sampling.{name}={value}", hint=f"Set sampling.{name}=1 or more.")
        self.segments, self.frames_per_clip, self.frame_stride = segments, frames_per_clip, frame_stride

    def draw(self, *, frame_count: int, generator: np.random.Generator) -> FrameIndices:
        """`[S, T]` random frame indices for training; a clip that exceeds the end continues at the beginning."""
        starts = train_starts(
            frame_count=frame_count,
            segments=self.segments,
            span=self.frames_per_clip * self.frame_stride if self.frames_per_clip > 1 else 1,
            generator=generator,
        )
        clips: FrameIndices = starts[:, None] + self.frame_stride * np.arange(self.frames_per_clip, dtype=np.int64)
        return clips % frame_count


def train_starts(*, frame_count: int, segments: int, span: int, generator: np.random.Generator) -> FrameIndices:
    """`[S]`: first frames of clips `span` frames long. `generator` is not used if there is only one possibility."""
    starts = frame_count - span + 1
    length = starts // segments
    if length > 0:
        return np.arange(segments, dtype=np.int64) * length + generator.integers(length, size=segments)
    if frame_count > max(segments, span):
        return np.sort(generator.integers(starts, size=segments))
    if length == 0:
        return np.round(np.arange(segments) * (starts / segments)).astype(np.int64)
    return np.zeros(segments, dtype=np.int64)


def segment_centers(*, frame_count: int, segments: int) -> list[int]:
    """The middle frame of each of S equal segments, `floor(frame_count / S x (k + 1/2))`; frames repeat if there are fewer than S."""
    length = frame_count / segments
    return [int(length * number + length / 2) for number in range(segments)]


@dataclass(frozen=True)
class FrameOrder:
    """Order of the two tuples: position s has segment `query[s]`. `label` = query shuffled + 2 x key shuffled."""

    query: npt.NDArray[np.int64]  # [S]
    key: npt.NDArray[np.int64]  # [S]
    label: int


def draw_shuffle(*, segments: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """A permutation `[S]` that is neither the identity nor the reversal, uniform over the S! - 2 others (4 for three segments).

    Two segments have no such permutation: the reversal is returned, and nothing is drawn.
    """
    identity = np.arange(segments, dtype=np.int64)
    if segments == 2:
        return identity[::-1].copy()
    while True:
        order = generator.permutation(segments).astype(np.int64)
        if not (np.array_equal(order, identity) or np.array_equal(order, identity[::-1])):
            return order


def draw_frame_order(*, segments: int, generator: np.random.Generator) -> FrameOrder:
    """Shuffle each tuple, query and key, with probability 1/2."""
    shuffled = [bool(coin) for coin in generator.integers(2, size=2)]
    query, key = (
        draw_shuffle(segments=segments, generator=generator) if coin else np.arange(segments, dtype=np.int64) for coin in shuffled
    )
    return FrameOrder(query=query, key=key, label=int(shuffled[0]) + 2 * int(shuffled[1]))
