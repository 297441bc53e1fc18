"""The published segments: a video is cut into S equal parts, and each gives two distinct moments, the key's and the query's.

Legend: S segments, T frames of a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FrameIndices = npt.NDArray[np.int64]


class VideoTooShortError(Exception):
    """A video holds fewer than two frames a segment, so no two distinct moments can be drawn from each."""

    def __init__(self, *, frame_count: int, segments: int) -> None:
        super().__init__(f"{frame_count} frames, but {segments} segments of two distinct frames each need {2 * segments}")


@dataclass(frozen=True)
class SegmentFrames:
    """Frame indices of the moments drawn; T is 1 for single frames."""

    key: FrameIndices  # [S, T]
    query: FrameIndices  # [S, T]


def segment_bounds(*, frame_count: int, segments: int) -> list[tuple[int, int]]:
    """First frame and end (exclusive) of each segment: length `frame_count // segments`, the last takes the remainder
    (VCLR, section 3; the released sampler).

    Raises VideoTooShortError below two frames a segment.
    """
    length = frame_count // segments
    if length < 2:
        raise VideoTooShortError(frame_count=frame_count, segments=segments)
    starts = [length * number for number in range(segments)]
    return list(zip(starts, [*starts[1:], frame_count], strict=True))


def fitting_stride(*, length: int, frames_per_clip: int, frame_stride: int) -> int:
    """The stride that a segment of `length` frames can give: the largest up to `frame_stride` that leaves two distinct clips, else 1."""
    if frames_per_clip == 1:
        return frame_stride
    return max(1, min(frame_stride, (length - 2) // (frames_per_clip - 1)))


def clip_at(*, start: int, bounds: tuple[int, int], frames_per_clip: int, stride: int) -> FrameIndices:
    """`[T]` frame indices from `start` on; beyond the segment its last frame is held."""
    return np.minimum(start + stride * np.arange(frames_per_clip, dtype=np.int64), bounds[1] - 1)


def draw_segment_frames(
    *, frame_count: int, segments: int, frames_per_clip: int, frame_stride: int, generator: np.random.Generator
) -> SegmentFrames:
    """Two distinct starts in each segment, uniform over ordered pairs; the first is the key's, the second the query's.

    With `frames_per_clip` T > 1 each moment is a clip of T frames, `frame_stride` apart, inside its segment. A segment too short
    for two distinct clips lowers the stride until they fit; where stride 1 does not fit either, the two clips start at its first
    two frames and hold its last frame to the end. Below two frames a segment nothing can be drawn: VideoTooShortError.
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
    """`[N, T]` frame indices of the clips whose middles are nearest to `centers` and that lie inside the video.

    A video shorter than a clip lowers the stride until it fits; one of fewer than T frames holds its last.
    """
    stride = 1 if frames_per_clip == 1 else max(1, min(frame_stride, (frame_count - 1) // (frames_per_clip - 1)))
    span = (frames_per_clip - 1) * stride + 1
    starts = [max(0, min(center - span // 2, frame_count - span)) for center in centers]
    return np.stack([clip_at(start=start, bounds=(0, frame_count), frames_per_clip=frames_per_clip, stride=stride) for start in starts])
