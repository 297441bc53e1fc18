"""From frames to samples to batches: which frame ends in which view."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.video_fixture import frame_numbers, write_video

from vclr_pl.data.samples import (
    EvaluationSample,
    NoReadableVideo,
    SegmentDraw,
    SegmentSample,
    assemble_views,
    collate_segment_views,
    collate_video_frames,
    draw_segments,
    with_broken,
)
from vclr_pl.data.sampling import FrameOrder, SegmentClipSampler, SegmentFrames, VideoTooShortError
from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.types import BrokenVideo
from vclr_pl.video.pyav import PyavDecoder

STRAIGHT = FrameOrder(query=np.arange(3), key=np.arange(3), label=0)
LOST = BrokenVideo(path="lost.mp4", backend="pyav", reason="no such file")


def draw_of(key, query, anchor_segment):
    moments = SegmentFrames(key=np.asarray(key, np.int64), query=np.asarray(query, np.int64))
    return SegmentDraw(moments=moments, anchor_segment=anchor_segment, order=STRAIGHT)


def views_of(tmp_path, draw, *, seed=0):
    path = write_video(tmp_path / "1.mp4", frames=24)
    transform = ContrastiveTransform(size_pixels=16, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3))
    with PyavDecoder(threads=1, short_side_pixels=None).open(path) as reader:
        return assemble_views(reader=reader, draw=draw, transform=transform, generator=np.random.default_rng(seed))


@pytest.mark.parametrize("anchor_segment", [0, 2])
def test_frames_reach_their_views(tmp_path, anchor_segment):
    """Query frames, key frames, the anchor's frame again; the key frame of the second segment comes before its query frame."""
    query = [[5], [13], [23]]
    views = views_of(tmp_path, draw_of([[7], [9], [16]], query, anchor_segment))
    assert views.shape == (7, 3, 16, 16)
    assert views.dtype == torch.uint8
    assert frame_numbers(views) == [5, 13, 23, 7, 9, 16, query[anchor_segment][0]]


def test_clips_reach_their_views(tmp_path):
    key, query = [[0, 2, 4], [8, 10, 12], [16, 18, 20]], [[1, 3, 5], [9, 11, 13], [17, 19, 19]]
    views = views_of(tmp_path, draw_of(key, query, 2))
    assert views.shape == (7, 3, 3, 16, 16)
    assert [frame_numbers(view.transpose(0, 1)) for view in views] == [*query, *key, query[2]]


def test_every_view_has_its_own_crop(tmp_path):
    """A horizontal ramp tells crops apart: the anchor's two views differ, and the same generator gives the same crops."""

    class Ramp:
        frame_count = 24

        def frames(self, indices):
            return torch.arange(0, 256, 4, dtype=torch.uint8).expand(len(indices), 3, 48, 64)

    transform = ContrastiveTransform(size_pixels=16, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3))
    draw = draw_of([[0], [8], [16]], [[1], [9], [17]], 0)
    views, again = (assemble_views(reader=Ramp(), draw=draw, transform=transform, generator=np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(views, again)
    assert len({tuple(view.flatten().tolist()) for view in views}) == 7


def test_draws_are_a_function_of_the_generator():
    sampling = SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1)
    draws = [draw_segments(frame_count=24, sampling=sampling, generator=np.random.default_rng(seed)) for seed in [*range(200), 0]]
    assert {draw.anchor_segment for draw in draws} == {0, 2}
    assert 70 < sum(draw.anchor_segment == 0 for draw in draws) < 130
    assert {draw.order.label for draw in draws} == {0, 1, 2, 3}
    assert draws[-1].moments.key.tolist() == draws[0].moments.key.tolist()
    with pytest.raises(VideoTooShortError):
        draw_segments(frame_count=5, sampling=sampling, generator=np.random.default_rng(0))


def sample(number, **options):
    order = FrameOrder(query=np.asarray([1, 2, 0]), key=np.arange(3) + number * 0, label=1)
    views = torch.full((7, 3, 4, 4), number, dtype=torch.uint8)
    return SegmentSample(
        views=views, color_parameters=torch.full((7, 5), float(number)), anchor_segment=2, order=order, video_index=10 + number, **options
    )


def test_a_batch_of_samples():
    batch = collate_segment_views([sample(0), with_broken(sample(1), [LOST])])
    assert batch.views[:, 0, 0, 0, 0].tolist() == [0, 1]
    assert batch.color_parameters[:, 6, 4].tolist() == [0.0, 1.0]
    assert (batch.anchor_segment.tolist(), batch.order_label.tolist(), batch.video_index.tolist()) == ([2, 2], [1, 1], [10, 11])
    assert (batch.query_order.tolist(), batch.key_order.tolist()) == ([[1, 2, 0]] * 2, [[0, 1, 2]] * 2)
    assert batch.broken == (LOST,)
    assert batch.segments == 3


def test_a_sample_without_a_readable_video_is_the_whole_batch():
    assert collate_segment_views([sample(0), NoReadableVideo((LOST, LOST))]) == NoReadableVideo((LOST, LOST))


def test_evaluation_pads_to_the_longest_and_broken_videos_are_all_padding():
    frames = torch.full((2, 3, 4, 4), 9, dtype=torch.uint8)
    samples = [
        EvaluationSample(frames=frames[:1], label=4, video_index=0),
        EvaluationSample(frames=None, label=5, video_index=1, broken=(LOST,)),
        EvaluationSample(frames=frames, label=-1, video_index=2),
    ]
    batch = collate_video_frames(samples)
    assert batch.valid.tolist() == [[True, False], [False, False], [True, True]]
    assert batch.frames[:, :, 0, 0, 0].tolist() == [[9, 0], [0, 0], [9, 9]]
    assert (batch.label.tolist(), batch.video_index.tolist(), batch.broken) == ([4, 5, -1], [0, 1, 2], (LOST,))
    alone = collate_video_frames(samples[1:2])
    assert alone.frames.shape == (1, 1, 3, 1, 1)
    assert not alone.valid.any()


def test_frames_for_evaluation_lie_channels_last(tmp_path):
    path = write_video(tmp_path / "video.mp4", frames=4)
    with PyavDecoder(threads=1, short_side_pixels=None).open(path) as reader:
        frames = reader.frames([0, 1, 3])
    batch = collate_video_frames([EvaluationSample(frames=frames, label=0, video_index=0)])
    assert batch.frames[0].is_contiguous(memory_format=torch.channels_last)
    clips = frames.expand(2, 3, 3, 48, 64).transpose(1, 2)
    assert torch.equal(collate_video_frames([EvaluationSample(frames=clips, label=0, video_index=0)]).frames[0], clips)
