"""Labeled samples: one frame or clip of each segment under one crop; broken videos replaced as in pretraining.
The data of recognition under Lightning: labels, test views, resume and broken videos as in pretraining.
"""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch
from tests.video_fixture import copies, frame_numbers, make_ucf101, write_broken, write_video

from vclr_pl.data.datamodule import LoaderOptions
from vclr_pl.data.recognition import RecognitionDataModule, RecognitionDataset, ViewDataset, collate_labeled_views
from vclr_pl.data.samples import NoReadableVideo
from vclr_pl.data.sampling import RecognitionSampling
from vclr_pl.data.transform.color_augmentation import FlipAndNormalize
from vclr_pl.data.transform.crop import RandomResizedVideoCrop
from vclr_pl.data.transform.evaluation_view import RecognitionView
from vclr_pl.data.view_features import views_of
from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.datasets.ucf101 import ucf101
from vclr_pl.types import InputError
from vclr_pl.video.pyav import PyavDecoder


class Noting:
    """A transform that notes what it was given."""

    def __init__(self):
        self.shapes = []

    def crop(self, frame, generator):
        self.shapes.append(tuple(frame.shape))
        return frame


def dataset(paths, *, segments=3, frames_per_clip=1, seed=0, transform=None):
    return RecognitionDataset(
        manifest=Manifest.from_pairs([(str(path), number % 2) for number, path in enumerate(paths)]),
        decoder=PyavDecoder(threads=1, short_side_pixels=None),
        sampling=RecognitionSampling(segments=segments, frames_per_clip=frames_per_clip, frame_stride=2),
        transform=transform or RandomResizedVideoCrop(short_side_pixels=20, size_pixels=16, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
        color_augmentation=FlipAndNormalize(flip_probability=0.5, mean=(0, 0, 0), std=(1, 1, 1)),
        seed=seed,
    )


def test_frames_come_from_their_segments(tmp_path):
    samples = dataset([write_video(tmp_path / "1.mp4", frames=30)])
    for epoch in range(10):
        sample = samples[epoch, 0]
        assert [number // 10 for number in frame_numbers(sample.views)] == [0, 1, 2]
        assert (sample.views.shape, sample.color_parameters.shape) == ((3, 3, 16, 16), (3, 1))
        assert (sample.label, sample.video_index, sample.broken) == (0, 0, ())
        assert sample.views.is_contiguous()


def test_a_sample_is_a_function_of_seed_epoch_and_video(tmp_path):
    paths = copies((tmp_path / f"{number}.avi" for number in range(2)), frames=30)
    first, other = dataset(paths), dataset(paths)
    other[7, 0], other[0, 0]
    assert torch.equal(first[0, 1].views, other[0, 1].views)
    assert torch.equal(first[0, 1].color_parameters, other[0, 1].color_parameters)
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
    assert (len(batch), batch.views.shape, batch.color_parameters.shape) == (3, (3, 3, 3, 16, 16), (3, 3, 1))
    assert batch.video_index.tolist()[:2] == [2, 1]
    assert batch.label.tolist() == (batch.video_index % 2).tolist()
    assert [video.path for video in batch.broken] == [str(paths[3])]
    nothing = dataset(paths[3:])[0, 0]
    assert isinstance(collate_labeled_views([samples[0, 0], nothing]), NoReadableVideo)
    assert np.unique(batch.label).tolist() in ([0], [1], [0, 1])


@pytest.mark.parametrize(("segments", "frames_per_clip"), [(3, 1), (2, 3), (40, 1)])
def test_views_are_the_samples_of_the_epochs_and_open_a_video_once(tmp_path, segments, frames_per_clip):
    paths = [*copies((tmp_path / f"{number}.mp4" for number in range(3)), frames=30), write_broken(tmp_path / "broken.mp4")]
    samples = dataset(paths, segments=segments, frames_per_clip=frames_per_clip)
    opened = []
    open_file = samples.decoder.open
    samples.decoder.open = lambda path: opened.append(path) or open_file(path)
    views = ViewDataset(samples, views=20)
    found = [views[video] for video in range(4)]
    assert opened[:3] == [str(path) for path in paths[:3]]
    other = dataset(paths, segments=segments, frames_per_clip=frames_per_clip)
    for video, of_video in enumerate(found):
        for epoch, view in enumerate(of_video):
            expected = other[epoch, video]
            assert torch.equal(view.views, expected.views)
            assert torch.equal(view.color_parameters, expected.color_parameters)
            assert (view.label, view.video_index, view.broken) == (expected.label, expected.video_index, expected.broken)
    assert found[3][0].broken[0].path == str(paths[3])


def datamodule(splits, *, crops="center", frames_per_clip=1, max_broken_fraction=0.5):
    return RecognitionDataModule(
        splits=splits,
        sampling=RecognitionSampling(segments=3, frames_per_clip=frames_per_clip, frame_stride=1),
        decoding=PyavDecoder(threads=1, short_side_pixels=None),
        transform=RandomResizedVideoCrop(short_side_pixels=20, size_pixels=16, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
        color_augmentation=FlipAndNormalize(flip_probability=0.5, mean=(0, 0, 0), std=(1, 1, 1)),
        evaluation_view=RecognitionView(segments=4, crop_pixels=16, short_side_pixels=20, crops=crops, mean=(0, 0, 0), std=(1, 1, 1)),
        loader=LoaderOptions(batch_size=2, evaluation_batch_size=2, workers=0, max_broken_fraction=max_broken_fraction),
        seed=0,
    )


class Watcher(lightning.LightningModule):
    """Keeps what it saw."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen, self.views = [], []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch_idx, batch.video_index.tolist(), batch.label.tolist()))
        self.views.append(batch.views)
        return self.weight * batch.views.mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder, data, *, callbacks=(), checkpoint=None):
    watcher = Watcher()
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
        callbacks=list(callbacks),
    )
    trainer.fit(watcher, datamodule=data, ckpt_path=checkpoint, weights_only=False)
    return watcher


@pytest.fixture
def splits(tmp_path):
    return ucf101(root=make_ucf101(tmp_path / "ucf101"), split=1)


def test_a_run_sees_every_video_with_its_label(tmp_path, splits):
    watcher = fit(tmp_path, datamodule(splits))
    for epoch in (0, 1):
        pairs = [pair for when, _, videos, labels in watcher.seen if when == epoch for pair in zip(videos, labels, strict=True)]
        assert len(dict(pairs)) == len(pairs) == 8
        assert all(label == splits.train.label(video) for video, label in pairs)
    assert all(views.shape == (2, 3, 3, 16, 16) and views.dtype == torch.float32 for views in watcher.views)
    segments = [[number // 4 for number in frame_numbers(sample * 255)] for batch in watcher.views for sample in batch]
    assert segments == [[0, 1, 2]] * 16  # of 12 frames, in values of [0, 1]


def test_a_resumed_run_goes_on_at_the_next_batch(tmp_path, splits):
    class SaveAfterBatch(lightning.Callback):
        def on_train_batch_end(self, trainer, module, *_):
            if len(module.seen) == 3:
                trainer.save_checkpoint(tmp_path / "stopped.ckpt")
                trainer.should_stop = True

    whole = fit(tmp_path, datamodule(splits))
    first = fit(tmp_path, datamodule(splits), callbacks=[SaveAfterBatch()])
    second = fit(tmp_path, datamodule(splits), checkpoint=tmp_path / "stopped.ckpt")
    assert first.seen + second.seen == whole.seen
    assert all(mine.equal(theirs) for mine, theirs in zip(second.views, whole.views[3:], strict=True))


@pytest.mark.parametrize(("crops", "count"), [("center", 1), ("ten", 10)])
def test_the_test_sees_each_video_once(splits, crops, count):
    data = datamodule(splits, crops=crops)
    batches = list(data.evaluation_dataloader("test"))
    assert [batch.video_index.tolist() for batch in batches] == [[0, 1], [2]]
    assert all(batch.frames.shape[1:] == (4 * count, 3, 16, 16) and batch.valid.all() for batch in batches)
    assert frame_numbers(batches[0].frames[0]) == [1, 4, 7, 10] * count
    torch.testing.assert_close(data.prepare(batches[0]).frames, batches[0].frames.float() / 255)


def test_the_test_of_clips(splits):
    batch = next(iter(datamodule(splits, crops="three", frames_per_clip=3).evaluation_dataloader("test")))
    assert batch.frames.shape == (2, 12, 3, 3, 16, 16)
    first, *_, last = batch.frames[0]
    assert frame_numbers(first.transpose(0, 1)) == [0, 1, 2]
    assert frame_numbers(last.transpose(0, 1)) == [9, 10, 11]


def test_broken_videos_are_replaced_and_listed(tmp_path):
    good = copies(tmp_path / f"{number}.mp4" for number in range(5))
    pairs = [(str(path), number % 2) for number, path in enumerate([*good, write_broken(tmp_path / "broken.mp4")])]
    data = datamodule(pairs)
    watcher = fit(tmp_path, data)
    assert len(watcher.seen) == 6
    assert [video.path for video in data.broken_videos] == [pairs[-1][0]]
    with pytest.raises(InputError, match="at most 0% of 6 videos broken"):
        fit(tmp_path, datamodule([*pairs[:4], pairs[-1], (str(write_broken(tmp_path / "two.mp4")), 1)], max_broken_fraction=0.0))


def test_the_view_loader_reads_in_the_order_of_its_keys(splits):
    data = datamodule(splits)
    read = list(data.view_loader(views=3))
    keys = views_of(videos=9, views=3, rank=0, ranks=1)
    expected = [data.training_dataset()[key] for key in keys]
    assert torch.equal(torch.cat([batch.views for batch in read]), torch.stack([sample.views for sample in expected]))
    assert torch.cat([batch.video_index for batch in read]).tolist() == [video for _, video in keys]


def test_classes_have_names(splits):
    assert datamodule(splits).class_names == ("ApplyEyeMakeup", "HandstandPushups", "YoYo")
    assert datamodule([("a.mp4", 0), ("b.mp4", 1), ("c.mp4", 2)]).class_names == ("0", "1", "2")


def test_numbers_with_gaps_are_numbered_anew_over_both_lists_and_stay_as_names():
    splits = VideoSplits(
        train=Manifest.from_pairs([("a.mp4", 10**17), ("b.mp4", 3), ("c.mp4", 2_000_000_000)]),
        test=Manifest.from_pairs([("d.mp4", 2_000_000_000)]),
    )
    data = datamodule(splits)
    assert data.class_names == ("3", "2000000000", "100000000000000000")
    assert (data.manifest("train").labels.tolist(), data.manifest("test").labels.tolist()) == ([2, 0, 1], [1])
    with pytest.raises(InputError, match=f"64-bit class numbers; got {10**30} for 'a.mp4'"):
        Manifest.from_pairs([("a.mp4", 10**30)])
    mixed = VideoSplits(train=Manifest.from_pairs([("a.mp4", 0), ("b.mp4", 10**9)]), test=Manifest.from_pairs([("c.mp4", "run")]))
    with pytest.raises(InputError, match="at least two classes; got 1"):
        datamodule(mixed)


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        ([("a.mp4", None), ("b.mp4", 1)], None, "a label for every training video; got 1 of 2 without a label"),
        ([("a.mp4", 0), ("b.mp4", 1)], [("c.mp4", None)], "a label for every test video; got 1 of 1"),
        ([("a.mp4", 0), ("b.mp4", 0)], None, "at least two classes; got 1"),
        ([("a.mp4", 0), ("b.mp4", 1)], [("c.mp4", 2)], r"the 2 classes that have a training video; got 1 other\(s\): 2"),
        ([("a.mp4", 0), ("b.mp4", 2)], [("c.mp4", 1)], r"got 1 other\(s\): 1"),
        ([("a.mp4", "run"), ("b.mp4", "sit")], [("c.mp4", "sit")], r"got 1 and 0 for sit\. Use the same class_names"),
        ([("a.mp4", "run"), ("b.mp4", "sit")], [("c.mp4", "fly")], r"got 1 other\(s\): fly"),
    ],
)
def test_labels_that_do_not_do_are_told(train, test, told):
    splits = VideoSplits(train=Manifest.from_pairs(train), test=None if test is None else Manifest.from_pairs(test))
    with pytest.raises(InputError, match=told):
        datamodule(splits)


def test_classes_are_compared_by_name():
    """A class that only the test list has is refused, though both lists know its name; one that the test lacks is not."""
    names = ("run", "sit", "walk")
    train, test = ([("a.mp4", "run"), ("b.mp4", "walk")], [("c.mp4", "walk")])
    lists = [Manifest.from_pairs(pairs, class_names=names) for pairs in (train, test, [("d.mp4", "sit")])]
    assert datamodule(VideoSplits(train=lists[0], test=lists[1])).class_names == names
    with pytest.raises(InputError, match=r"got 1 other\(s\): sit"):
        datamodule(VideoSplits(train=lists[0], test=lists[2]))
    numbered = Manifest.from_pairs([("c.mp4", 2)])
    assert datamodule(VideoSplits(train=lists[0], test=numbered)).manifest("test").labels.tolist() == [2]
    with pytest.raises(InputError, match="a name for every label; got 3 for 3 class names"):
        datamodule(VideoSplits(train=Manifest.from_pairs([("a.mp4", 3)], class_names=names)))
