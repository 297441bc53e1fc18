"""Samples by (epoch, index): functions of the seed alone, broken videos replaced, whole videos for evaluation."""

from __future__ import annotations

import pytest
import torch
from tests.color_draws import published_color
from tests.video_fixture import copies, frame_numbers, write_broken, write_video

from vclr_pl.data.samples import NoReadableVideo, SegmentSample
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.transform.resolution import ProgressiveResolution
from vclr_pl.data.video_dataset import EvaluationVideoDataset, SegmentVideoDataset, broken_video
from vclr_pl.datasets.manifest import Manifest, ManifestBuilder
from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import PyavDecoder

PHOTOMETRIC = published_color(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
VIEW = EvaluationView(frames=5, crop_pixels=32, short_side_pixels=None, mean=(0, 0, 0), std=(1, 1, 1))


class CountingDecoder(PyavDecoder):
    """A decoder that keeps the names of what it opened."""

    def __init__(self):
        super().__init__(threads=1, short_side_pixels=None)
        self.opened = []

    def open(self, path):
        self.opened.append(path)
        return super().open(path)


def segments(paths, *, frames_per_clip=1, seed=0):
    return SegmentVideoDataset(
        manifest=Manifest.from_pairs([(str(path), number) for number, path in enumerate(paths)]),
        decoder=CountingDecoder(),
        sampling=SegmentClipSampler(segments=3, frames_per_clip=frames_per_clip, frame_stride=2),
        transform=ContrastiveTransform(size_pixels=16, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        color_augmentation=PHOTOMETRIC,
        seed=seed,
    )


def same(first, second):
    tensors = torch.equal(first.views, second.views) and torch.equal(first.color_parameters, second.color_parameters)
    orders = first.order.query.tolist() == second.order.query.tolist() and first.order.key.tolist() == second.order.key.tolist()
    return tensors and orders and first.anchor_segment == second.anchor_segment


def test_a_sample_is_a_function_of_seed_epoch_and_video(tmp_path):
    paths = copies((tmp_path / f"{number}.avi" for number in range(3)), frames=30)
    dataset, other = segments(paths), segments(paths)
    first = dataset[0, 1]
    other[4, 2], other[4, 0]  # what was read before must not matter
    assert same(first, other[0, 1])
    assert isinstance(first, SegmentSample)
    assert (first.views.shape, first.color_parameters.shape, first.video_index, first.broken) == ((7, 3, 16, 16), (7, 8), 1, ())
    for different in (dataset[1, 1], dataset[0, 2], segments(paths, seed=1)[0, 1]):
        assert not same(first, different)


def test_views_come_from_their_segments(tmp_path):
    dataset = segments([write_video(tmp_path / "1.webm", frames=30)])
    for epoch in range(10):
        sample = dataset[epoch, 0]
        numbers = frame_numbers(sample.views)
        assert [number // 10 for number in numbers[:6]] == [0, 1, 2, 0, 1, 2]
        assert numbers[6] == numbers[sample.anchor_segment]
        assert all(numbers[segment] != numbers[3 + segment] for segment in range(3))


def test_clips(tmp_path):
    sample = segments([write_video(tmp_path / "1.mp4", frames=30)], frames_per_clip=3)[0, 0]
    assert sample.views.shape == (7, 3, 3, 16, 16)
    numbers = [frame_numbers(view.transpose(0, 1)) for view in sample.views]
    assert all(clip == [clip[0], clip[0] + 2, clip[0] + 4] for clip in numbers)
    assert [clip[0] // 10 for clip in numbers[:6]] == [clip[2] // 10 for clip in numbers[:6]] == [0, 1, 2, 0, 1, 2]


@pytest.fixture
def mixed(tmp_path):
    """Three good videos, one broken, one too short."""
    good = copies((tmp_path / f"{number}.mp4" for number in range(3)), frames=30)
    return [*good, write_broken(tmp_path / "broken.mp4"), write_video(tmp_path / "short.mp4", frames=5)]


def test_a_broken_video_is_replaced_the_same_way_on_every_run(mixed):
    dataset = segments(mixed)
    sample = dataset[0, 3]
    assert sample.video_index in (0, 1, 2)
    assert sample.broken[0].path == str(mixed[3])
    assert sample.broken[0].backend == "pyav"
    assert sample.broken[0].reason
    fresh = segments(mixed)
    fresh[0, 4]  # knows the short one already
    again = fresh[0, 3]
    assert again.video_index == sample.video_index
    assert again.broken == sample.broken
    assert same(sample, again)
    assert {segments(mixed)[epoch, 3].video_index for epoch in range(20)} == {0, 1, 2}


def test_views_of_early_epochs_are_smaller_where_the_resolution_is_progressive(tmp_path):
    dataset = segments([write_video(tmp_path / "1.mp4", frames=30)])
    whole = dataset[0, 0]
    dataset.resolution = ProgressiveResolution(first_pixels=8, last_pixels=16, epochs=3)
    assert [dataset[epoch, 0].views.shape[-1] for epoch in range(3)] == [8, 16, 16]
    assert dataset[0, 0].order.query.tolist() == whole.order.query.tolist()
    assert torch.equal(dataset[0, 0].color_parameters, whole.color_parameters)


def test_a_short_video_says_what_it_lacks(mixed):
    (lost, *_) = segments(mixed)[0, 4].broken
    assert (lost.path, lost.backend) == (str(mixed[4]), "pyav")
    assert lost.reason == "5 frames, but 3 segments of two distinct frames each need 6"


def test_a_disk_that_fails_is_not_the_videos_fault():
    lost = broken_video("v.mp4", OSError(5, "Input/output error"), backend="pyav")
    assert (lost.reason, lost.is_temporary) == ("OSError: Input/output error", True)
    assert not broken_video("v.mp4", IndexError("no such frame"), backend="pyav").is_temporary


class ReluctantDecoder(CountingDecoder):
    """Has no answer in time for the first tries of one video."""

    def __init__(self, *, tries):
        super().__init__()
        self.tries = tries

    def open(self, path):
        reader = super().open(path)
        if path.endswith("0.mp4") and self.opened.count(path) <= self.tries:
            raise VideoReadError(path, "pyav", "no answer within 60 s", is_temporary=True)
        return reader


def test_a_video_that_took_too_long_is_tried_once_more(mixed):
    for tries, lost in ((1, [True, False, False, False]), (9, [True, True, True, True])):
        dataset = segments(mixed[:3])
        dataset.decoder = ReluctantDecoder(tries=tries)
        samples = [dataset[epoch, 0] for epoch in range(4)]
        assert [bool(sample.broken) for sample in samples] == lost
        assert samples[0].broken[0].is_temporary
        if tries == 9:
            assert dataset.decoder.opened.count(str(mixed[0])) == 2


def test_a_broken_video_is_not_opened_twice(mixed):
    dataset = segments(mixed)
    for epoch in range(5):
        assert str(mixed[3]) in [video.path for video in dataset[epoch, 3].broken]
    assert dataset.decoder.opened.count(str(mixed[3])) == 1


def test_an_error_of_the_file_system_is_a_broken_video_too(tmp_path):
    """A name longer than any file system takes: the operating system objects, not the decoder."""
    paths = [write_video(tmp_path / "1.mp4", frames=30), tmp_path / ("x" * 300 + ".mp4")]
    (lost,) = segments(paths)[0, 1].broken
    assert (lost.backend, lost.reason) == ("pyav", "File name too long")
    sample = evaluation(paths)[1]
    assert sample.frames is None
    assert sample.broken == (lost,)


def test_nothing_readable(tmp_path):
    dataset = segments([write_broken(tmp_path / f"{number}.mp4") for number in range(3)])
    found = dataset[0, 1]
    assert isinstance(found, NoReadableVideo)
    assert sorted(video.path for video in found.broken) == [str(tmp_path / f"{number}.mp4") for number in range(3)]
    assert len(dataset) == 3


def evaluation(paths, *, frames_per_clip=1):
    return EvaluationVideoDataset(
        manifest=Manifest.from_pairs([(str(path), 7) for path in paths]),
        decoder=CountingDecoder(),
        view=VIEW,
        sampling=SegmentClipSampler(segments=3, frames_per_clip=frames_per_clip, frame_stride=2),
    )


def test_evaluation_frames(tmp_path):
    sample = evaluation([write_video(tmp_path / "1.mp4", frames=21)])[0]
    assert frame_numbers(sample.frames) == [0, 5, 10, 15, 20]
    assert sample.frames.shape == (5, 3, 32, 32)
    assert (sample.label, sample.video_index, sample.broken) == (7, 0, ())
    assert frame_numbers(evaluation([write_video(tmp_path / "2.mp4", frames=3)])[0].frames) == [0, 1, 2]


def test_evaluation_clips(tmp_path):
    sample = evaluation([write_video(tmp_path / "1.mp4", frames=21)], frames_per_clip=3)[0]
    assert sample.frames.shape == (5, 3, 3, 32, 32)
    numbers = [frame_numbers(clip.transpose(0, 1)) for clip in sample.frames]
    assert numbers == [[0, 2, 4], [3, 5, 7], [8, 10, 12], [13, 15, 17], [16, 18, 20]]


def test_samples_stay_inside_the_span(tmp_path):
    dataset = segments([write_video(tmp_path / "1.mp4", frames=30)])
    builder = ManifestBuilder(root="")
    builder.add(tmp_path / "1.mp4", 0, span=(0.4, 0.8))
    dataset.manifest = builder.finish()
    assert {number for epoch in range(30) for number in frame_numbers(dataset[epoch, 0].views)} == set(range(12, 24))
    whole = EvaluationVideoDataset(manifest=dataset.manifest, decoder=dataset.decoder, view=VIEW, sampling=dataset.sampling)
    assert frame_numbers(whole[0].frames) == [12, 15, 17, 20, 23]


def test_a_broken_video_in_evaluation_has_no_frames(tmp_path):
    sample = evaluation([write_broken(tmp_path / "1.mp4")])[0]
    assert sample.frames is None
    assert [video.path for video in sample.broken] == [str(tmp_path / "1.mp4")]
