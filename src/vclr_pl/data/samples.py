"""Make a sample of pretraining from a video's frames, and a batch from samples.

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
    """An open video: the part of `video.protocol.VideoReader` that a sample needs."""

    @property
    def frame_count(self) -> int: ...

    def frames(self, indices: Sequence[int]) -> Tensor: ...


class Crop(Protocol):
    """A random crop of uint8 `[C, H, W]` or `[C, T, H, W]`; every call draws a new crop."""

    def crop(self, frame: Tensor, generator: np.random.Generator) -> Tensor: ...


@dataclass(frozen=True)
class SegmentDraw:
    """Random choices of a sample, except augmentation."""

    moments: SegmentFrames
    anchor_segment: int  # segment of the anchor: 0 or S - 1
    order: FrameOrder


@dataclass(frozen=True)
class SegmentSample:
    """One video of a SegmentViews batch: views `[V, *view]` uint8, color_parameters `[V, P]` float32."""

    views: Tensor
    color_parameters: Tensor
    anchor_segment: int
    order: FrameOrder
    video_index: int
    broken: tuple[BrokenVideo, ...] = ()


@dataclass(frozen=True)
class NoReadableVideo:
    """Replaces a sample or batch if the video and all its replacements are broken."""

    broken: tuple[BrokenVideo, ...]


@dataclass(frozen=True)
class EvaluationSample:
    """One video of a VideoFrames batch: frames `[T, C, H, W]` uint8 (clips `[T, C, t, H, W]`), None if broken."""

    frames: Tensor | None
    label: int
    video_index: int
    broken: tuple[BrokenVideo, ...] = ()
    narrow: tuple[NarrowView, ...] = ()


def draw_segments(*, frame_count: int, sampling: SegmentClipSampler, generator: np.random.Generator) -> SegmentDraw:
    """Draw the moments, the anchor's segment (first or last) and the orders, in this order from one generator.

    Raises VideoTooShortError below two frames per segment.
    """
    moments = sampling.draw(frame_count=frame_count, generator=generator)
    anchor_segment = int(generator.integers(2)) * (sampling.segments - 1)
    return SegmentDraw(
        moments=moments, anchor_segment=anchor_segment, order=draw_frame_order(segments=sampling.segments, generator=generator)
    )


def assemble_views(*, reader: FrameSource, draw: SegmentDraw, transform: Crop, generator: np.random.Generator) -> Tensor:
    """`[V, *view]` uint8: query frames, key frames, and the anchor's query frame a second time, each with its own crop.

    Every distinct frame is decoded once, in ascending order.
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
    """Collate samples; `video_index` and `broken` are in their order. Returns NoReadableVideo if any sample is a NoReadableVideo."""
    broken = tuple(video for sample in samples for video in sample.broken)
    readable = [sample for sample in samples if isinstance(sample, SegmentSample)]
    if len(readable) < len(samples):
        return NoReadableVideo(broken)
    return SegmentViews(
        views=default_collate([sample.views for sample in readable]),  # in a worker it stacks directly into shared memory
        color_parameters=torch.stack([sample.color_parameters for sample in readable]),
        anchor_segment=torch.tensor([sample.anchor_segment for sample in readable]),
        query_order=torch.from_numpy(np.stack([sample.order.query for sample in readable])),
        key_order=torch.from_numpy(np.stack([sample.order.key for sample in readable])),
        order_label=torch.tensor([sample.order.label for sample in readable]),
        video_index=torch.tensor([sample.video_index for sample in readable]),
        broken=broken,
    )


def collate_video_frames(samples: list[EvaluationSample]) -> VideoFrames:
    """Pad frames with zeros to the longest video of the batch; a broken video is only padding.

    A batch of only broken videos has one frame of one pixel per video.
    """
    readable = [sample.frames for sample in samples if sample.frames is not None]
    longest = max((len(frames) for frames in readable), default=1)
    shape = readable[0].shape[1:] if readable else torch.Size((3, 1, 1))
    # channels-last memory, as from the decoder and as networks expect it: no transposition is needed
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
    """The sample (a dataclass with `broken`), marked as replacement of these broken videos."""
    return replace(sample, broken=tuple(broken)) if broken else sample  # type: ignore[type-var]
