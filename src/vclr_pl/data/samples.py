"""From a video's frames to one sample of the task, and from samples to a batch.

Legend: B videos, S segments, V = 2 S + 1 views, C channels, T frames of a clip, H W pixels, P color parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from vclr_pl.data.sampling import FrameOrder, SegmentClipSampler, SegmentFrames, draw_frame_order
from vclr_pl.types import BrokenVideo, NarrowView, SegmentViews, VideoFrames

Sample = TypeVar("Sample")


class FrameSource(Protocol):
    """An open video: as much of `video.protocol.VideoReader` as a sample needs."""

    @property
    def frame_count(self) -> int: ...

    def frames(self, indices: Sequence[int]) -> Tensor: ...


class Crop(Protocol):
    """A random crop of uint8 `[C, H, W]` or `[C, T, H, W]`; every call draws anew."""

    def crop(self, frame: Tensor, generator: np.random.Generator) -> Tensor: ...


@dataclass(frozen=True)
class SegmentDraw:
    """Everything random of a sample but its augmentation."""

    moments: SegmentFrames
    anchor_segment: int  # 0 or S - 1
    order: FrameOrder


@dataclass(frozen=True)
class SegmentSample:
    """One video's share of a SegmentViews: views `[V, *view]` uint8, color_parameters `[V, P]` float32."""

    views: Tensor
    color_parameters: Tensor
    anchor_segment: int
    order: FrameOrder
    video_index: int
    broken: tuple[BrokenVideo, ...] = ()


@dataclass(frozen=True)
class NoReadableVideo:
    """In place of a sample or batch: the video and all replacements that were tried are broken."""

    broken: tuple[BrokenVideo, ...]


@dataclass(frozen=True)
class EvaluationSample:
    """One video's share of a VideoFrames: frames `[T, C, H, W]` uint8 (clips `[T, C, t, H, W]`), None where it is broken."""

    frames: Tensor | None
    label: int
    video_index: int
    broken: tuple[BrokenVideo, ...] = ()
    narrow: tuple[NarrowView, ...] = ()


def draw_segments(*, frame_count: int, sampling: SegmentClipSampler, generator: np.random.Generator) -> SegmentDraw:
    """Moments, then the anchor's coin (first or last segment), then the orders, from one generator.

    Raises VideoTooShortError below two frames a segment.
    """
    moments = sampling.draw(frame_count=frame_count, generator=generator)
    anchor_segment = int(generator.integers(2)) * (sampling.segments - 1)
    return SegmentDraw(
        moments=moments, anchor_segment=anchor_segment, order=draw_frame_order(segments=sampling.segments, generator=generator)
    )


def assemble_views(*, reader: FrameSource, draw: SegmentDraw, transform: Crop, generator: np.random.Generator) -> Tensor:
    """`[V, *view]` uint8: query frames, key frames, and the anchor's query frame once more, each with its own crop.

    Every distinct frame is asked for once, in ascending order.
    """
    moments = np.concatenate([draw.moments.query, draw.moments.key, draw.moments.query[draw.anchor_segment, None]])
    wanted, place_of = np.unique(moments, return_inverse=True)
    frames = reader.frames(wanted.tolist())
    return torch.stack([transform.crop(_view(frames, places), generator) for places in place_of.reshape(moments.shape)])


def _view(frames: Tensor, places: np.ndarray) -> Tensor:
    """`[C, H, W]` for one frame, `[C, T, H, W]` for a clip."""
    if len(places) == 1:
        return frames[int(places[0])]
    return frames[torch.from_numpy(places)].movedim(0, 1)


def collate_segment_views(samples: list[SegmentSample | NoReadableVideo]) -> SegmentViews | NoReadableVideo:
    """A batch, `video_index` and `broken` in the order of its samples; NoReadableVideo where any of them is one."""
    broken = tuple(video for sample in samples for video in sample.broken)
    readable = [sample for sample in samples if isinstance(sample, SegmentSample)]
    if len(readable) < len(samples):
        return NoReadableVideo(broken)
    return SegmentViews(
        views=default_collate([sample.views for sample in readable]),  # in a worker it stacks into shared memory, which saves a copy
        color_parameters=torch.stack([sample.color_parameters for sample in readable]),
        anchor_segment=torch.tensor([sample.anchor_segment for sample in readable]),
        query_order=torch.from_numpy(np.stack([sample.order.query for sample in readable])),
        key_order=torch.from_numpy(np.stack([sample.order.key for sample in readable])),
        order_label=torch.tensor([sample.order.label for sample in readable]),
        video_index=torch.tensor([sample.video_index for sample in readable]),
        broken=broken,
    )


def collate_video_frames(samples: list[EvaluationSample]) -> VideoFrames:
    """Frames padded with zeros to the longest video of the batch; a broken video is all padding.

    A batch of broken videos only has one frame of one pixel a video.
    """
    readable = [sample.frames for sample in samples if sample.frames is not None]
    longest = max((len(frames) for frames in readable), default=1)
    shape = readable[0].shape[1:] if readable else torch.Size((3, 1, 1))
    # channels last underneath, as the decoder gives them and as networks want them: no pass over the frames turns them around
    padded = torch.zeros(len(samples), longest, *shape[1:], shape[0], dtype=torch.uint8).movedim(-1, 2)
    valid = torch.zeros(len(samples), longest, dtype=torch.bool)
    for row, sample in enumerate(samples):
        if sample.frames is not None:
            padded[row, : len(sample.frames)] = sample.frames
            valid[row, : len(sample.frames)] = True
    return VideoFrames(
        frames=padded,
        valid=valid,
        label=torch.tensor([sample.label for sample in samples]),
        video_index=torch.tensor([sample.video_index for sample in samples]),
        broken=tuple(video for sample in samples for video in sample.broken),
        narrow=tuple(video for sample in samples for video in sample.narrow),
    )


def with_broken(sample: Sample, broken: Sequence[BrokenVideo]) -> Sample:
    """The sample (a dataclass with `broken`) as the replacement of these videos."""
    return replace(sample, broken=tuple(broken)) if broken else sample  # type: ignore[type-var]
