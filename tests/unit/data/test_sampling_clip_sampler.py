"""The segments as a pytorchvideo ClipSampler, asked by our datasets and by a stock one."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from pytorchvideo.data.clip_sampling import ClipSampler
from tests.video_fixture import frame_numbers, write_video

from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.types import InputError


@pytest.mark.parametrize("name", ["segments", "frames_per_clip", "frame_stride"])
def test_figures_too_small_are_told(name):
    options = {"segments": 3, "frames_per_clip": 1, "frame_stride": 1} | {name: 0}
    with pytest.raises(InputError, match=rf"got sampling\.{name}=0"):
        SegmentClipSampler(**options)


def test_draw_passes_every_option_on():
    sampler = SegmentClipSampler(segments=2, frames_per_clip=3, frame_stride=2)
    drawn = sampler.draw(frame_count=12, generator=np.random.default_rng(0))
    assert drawn.key.shape == drawn.query.shape == (2, 3)
    assert np.diff(drawn.key, axis=1).tolist() == [[2, 2], [2, 2]]
    assert {int(drawn.key[0, 0]), int(drawn.query[0, 0])} == {0, 1}


def test_times_for_a_stock_dataset():
    """One second is 30 frames: each clip is one frame long, query clips first, each in its third."""
    random.seed(0)
    sampler = SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1)
    assert isinstance(sampler, ClipSampler)
    info = sampler(0.0, Fraction(1), {})
    starts = [start * 30 for start in info.clip_start_sec]
    assert [int(start) // 10 for start in starts] == [0, 1, 2, 0, 1, 2]
    random.seed(0)
    drawn = sampler.draw(frame_count=30, generator=np.random.default_rng(random.getrandbits(64)))
    assert starts == [*drawn.query[:, 0].tolist(), *drawn.key[:, 0].tolist()]
    assert all(starts[segment] != starts[3 + segment] for segment in range(3))
    assert [end - start for start, end in zip(info.clip_start_sec, info.clip_end_sec, strict=True)] == [Fraction(1, 30)] * 6
    assert (info.clip_index, info.aug_index) == ([0, 1, 2, 3, 4, 5], [0] * 6)
    assert info.is_last_clip == [False] * 5 + [True]


def test_a_stock_dataset_trains_on_it(tmp_path):
    """pytorchvideo's LabeledVideoDataset cuts the six clips out of real videos, one after another to the end."""
    paths = [write_video(tmp_path / f"{number}.mp4", frames=30, rate=30) for number in range(2)]
    dataset = Manifest.from_pairs([(str(path), number) for number, path in enumerate(paths)]).labeled_video_dataset(
        clip_sampler=SegmentClipSampler(segments=3, frames_per_clip=3, frame_stride=1)
    )
    samples = list(dataset)
    assert sorted(sample["label"] for sample in samples) == [0, 1]
    for sample in samples:
        numbers = [frame_numbers(clip.movedim(1, 0)) for clip in sample["video"]]
        assert [clip[0] // 10 for clip in numbers] == [0, 1, 2, 0, 1, 2]
        assert all(clip == list(range(clip[0], clip[0] + len(clip))) for clip in numbers)
