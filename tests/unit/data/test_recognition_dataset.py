"""Labeled samples: one frame or clip of each segment under one crop; broken videos replaced as in pretraining."""

from __future__ import annotations

import numpy as np
import torch
from tests.video_fixture import copies, frame_numbers, write_broken, write_video

from vclr_pl.data.decoding.pyav import PyavDecoder
from vclr_pl.data.manifest import Manifest
from vclr_pl.data.recognition_dataset import LabeledVideoFrames, collate_labeled_views
from vclr_pl.data.recognition_sampling import RecognitionSampling
from vclr_pl.data.transform.recognition_crop import RandomResizedVideoCrop
from vclr_pl.data.transform.recognition_photometry import FlipAndNormalize
from vclr_pl.data.view_assembly import NoReadableVideo


class Noting:
    """A transform that notes what it was given."""

    def __init__(self):
        self.shapes = []

    def geometry(self, frame, generator):
        self.shapes.append(tuple(frame.shape))
        return frame


def dataset(paths, *, segments=3, frames_per_clip=1, seed=0, transform=None):
    return LabeledVideoFrames(
        manifest=Manifest.from_pairs([(str(path), number % 2) for number, path in enumerate(paths)]),
        decoder=PyavDecoder(threads=1, short_side_pixels=None),
        sampling=RecognitionSampling(segments=segments, frames_per_clip=frames_per_clip, frame_stride=2),
        transform=transform or RandomResizedVideoCrop(short_side_pixels=20, size_pixels=16, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
        photometric=FlipAndNormalize(flip_probability=0.5, mean=(0, 0, 0), std=(1, 1, 1)),
        seed=seed,
    )


def test_frames_come_from_their_segments(tmp_path):
    samples = dataset([write_video(tmp_path / "1.mp4", frames=30)])
    for epoch in range(10):
        sample = samples[epoch, 0]
        assert [number // 10 for number in frame_numbers(sample.views)] == [0, 1, 2]
        assert (sample.views.shape, sample.photometry.shape) == ((3, 3, 16, 16), (3, 1))
        assert (sample.label, sample.video_index, sample.broken) == (0, 0, ())
        assert sample.views.is_contiguous()


def test_a_sample_is_a_function_of_seed_epoch_and_video(tmp_path):
    paths = copies((tmp_path / f"{number}.avi" for number in range(2)), frames=30)
    first, other = dataset(paths), dataset(paths)
    other[7, 0], other[0, 0]
    assert torch.equal(first[0, 1].views, other[0, 1].views)
    assert torch.equal(first[0, 1].photometry, other[0, 1].photometry)
    assert not torch.equal(first[0, 1].views, first[1, 1].views)
    assert not torch.equal(first[0, 1].views, dataset(paths, seed=1)[0, 1].views)


def test_all_frames_go_through_one_crop(tmp_path):
    mark = Noting()
    dataset([write_video(tmp_path / "1.mp4", frames=30, height=48, width=64)], transform=mark)[0, 0]
    assert mark.shapes == [(3, 3, 48, 64)]


def test_frames_of_a_short_video_repeat(tmp_path):
    sample = dataset([write_video(tmp_path / "1.mp4", frames=2)], segments=8)[0, 0]
    assert frame_numbers(sample.views) == [0, 0, 0, 1, 1, 1, 0, 0]


def test_clips(tmp_path):
    sample = dataset([write_video(tmp_path / "1.mp4", frames=30)], segments=2, frames_per_clip=3)[0, 0]
    assert sample.views.shape == (2, 3, 3, 16, 16)
    numbers = [frame_numbers(view.transpose(0, 1)) for view in sample.views]
    assert all(clip == [clip[0], clip[0] + 2, clip[0] + 4] for clip in numbers)
    assert [clip[0] // 12 for clip in numbers] == [0, 1]


def test_a_broken_video_is_replaced(tmp_path):
    paths = [*copies(tmp_path / f"{number}.mp4" for number in range(3)), write_broken(tmp_path / "broken.mp4")]
    sample = dataset(paths)[0, 3]
    assert sample.label == sample.video_index % 2
    assert [video.path for video in sample.broken] == [str(paths[3])]
    assert isinstance(dataset(paths[3:])[0, 0], NoReadableVideo)


def test_a_batch(tmp_path):
    paths = [*copies(tmp_path / f"{number}.mp4" for number in range(3)), write_broken(tmp_path / "broken.mp4")]
    samples = dataset(paths)
    batch = collate_labeled_views([samples[0, 2], samples[0, 1], samples[0, 3]])
    assert (len(batch), batch.views.shape, batch.photometry.shape) == (3, (3, 3, 3, 16, 16), (3, 3, 1))
    assert batch.video_index.tolist()[:2] == [2, 1]
    assert batch.label.tolist() == (batch.video_index % 2).tolist()
    assert [video.path for video in batch.broken] == [str(paths[3])]
    nothing = dataset(paths[3:])[0, 0]
    assert isinstance(collate_labeled_views([samples[0, 0], nothing]), NoReadableVideo)
    assert np.unique(batch.label).tolist() in ([0], [1], [0, 1])
