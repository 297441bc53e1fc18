"""The DataModule, alone and under a Lightning trainer."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import pytorch_lightning as lightning
import torch
from pytorchvideo.data.clip_sampling import UniformClipSampler
from pytorchvideo.data.labeled_video_dataset import LabeledVideoDataset
from pytorchvideo.data.labeled_video_paths import LabeledVideoPaths
from tests.color_draws import plain_color
from tests.video_fixture import copies, frame_numbers, make_ucf101, write_broken, write_video
from tests.workers import workers

from vclr_pl.data.datamodule import LoaderOptions, VideoDataModule
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.datasets.ucf101 import ucf101
from vclr_pl.files import available_cores
from vclr_pl.types import InputError, Normalization
from vclr_pl.video.pyav import PyavDecoder

PLAIN = plain_color()


def datamodule(splits, *, batch_size=2, workers=0, max_broken_fraction=0.1, frames_per_clip=1, seed=0):
    return VideoDataModule(
        splits=splits,
        sampling=SegmentClipSampler(segments=3, frames_per_clip=frames_per_clip, frame_stride=1),
        decoding=PyavDecoder(threads=1, short_side_pixels=None),
        transform=ContrastiveTransform(size_pixels=16, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        color_augmentation=PLAIN,
        evaluation_view=EvaluationView(frames=4, crop_pixels=16, short_side_pixels=None, mean=(0, 0, 0), std=(1, 1, 1)),
        loader=LoaderOptions(batch_size=batch_size, evaluation_batch_size=3, workers=workers, max_broken_fraction=max_broken_fraction),
        seed=seed,
    )


class Watcher(lightning.LightningModule):
    """Trains nothing worth having, and keeps what it saw."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen, self.views = [], []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch_idx, batch.video_index.tolist()))
        self.views.append(batch.views)
        return self.weight * batch.views.mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(tmp_path, **options):
    settings = {
        "max_epochs": 2,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return lightning.Trainer(accelerator="cpu", devices=1, default_root_dir=tmp_path, use_distributed_sampler=False, **(settings | options))


@pytest.fixture
def splits(tmp_path):
    return ucf101(root=make_ucf101(tmp_path / "ucf101"), split=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_sees_every_video_once_an_epoch_as_floats(tmp_path, splits, workers):
    data, watcher = datamodule(splits, workers=workers), Watcher()
    trainer(tmp_path).fit(watcher, datamodule=data)
    assert data.batches_per_epoch == 4
    assert [(epoch, number) for epoch, number, _ in watcher.seen] == [(epoch, number) for epoch in (0, 1) for number in range(4)]
    for epoch in (0, 1):
        videos = [index for when, _, batch in watcher.seen if when == epoch for index in batch]
        assert len(videos) == len(set(videos)) == 8
    assert [batch for epoch, _, batch in watcher.seen if epoch == 0] != [batch for epoch, _, batch in watcher.seen if epoch == 1]
    assert all(
        views.shape == (2, 7, 3, 16, 16) and views.dtype == torch.float32 and 0 <= views.min() <= views.max() <= 1
        for views in watcher.views
    )
    segments = [[number // 4 for number in frame_numbers(sample * 255)[:6]] for batch in watcher.views for sample in batch]
    assert segments == [[0, 1, 2, 0, 1, 2]] * 16  # of 12 frames, in values of [0, 1]
    assert data.broken_videos == ()


@pytest.mark.parametrize("options", [{"limit_train_batches": 2}, {"max_epochs": -1, "max_steps": 6}, {"max_epochs": 3}])
def test_workers_that_read_ahead_change_no_batch(tmp_path, splits, options):
    """Every epoch is read by the processes that the first batch started, and none remains."""
    alone, shared = Watcher(), Watcher()
    trainer(tmp_path, **options).fit(alone, datamodule=datamodule(splits))
    started = []
    data = datamodule(splits, workers=2)

    class Processes(lightning.Callback):
        def on_train_batch_end(self, *_):
            started.append({child.pid for child in workers()})

    trainer(tmp_path, callbacks=[Processes()], **options).fit(shared, datamodule=data)
    assert shared.seen == alone.seen
    assert all(torch.equal(one, other) for one, other in zip(shared.views, alone.views, strict=True))
    assert len(set().union(*started)) == 2
    assert workers() == []


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_train_epoch_end"])
def test_a_run_that_fails_leaves_no_worker(tmp_path, splits, hook):
    def fail(*_):
        assert len(workers()) == 2
        raise RuntimeError("unexpected")

    callback = lightning.Callback()
    setattr(callback, hook, fail)
    with pytest.raises(RuntimeError, match="unexpected"):
        trainer(tmp_path, callbacks=[callback]).fit(Watcher(), datamodule=datamodule(splits, workers=2))
    assert workers() == []


@pytest.mark.parametrize("stop_after", [2, 4, 6, 8])
def test_a_resumed_run_goes_on_at_the_next_batch(tmp_path, splits, stop_after):
    """Stopped inside an epoch (2, 6), and after the last batch of one (4, 8), of three epochs of four batches."""
    whole = Watcher()
    trainer(tmp_path, max_epochs=3).fit(whole, datamodule=datamodule(splits))

    class SaveAfterBatch(lightning.Callback):
        def on_train_batch_end(self, trainer, module, *_):
            if len(module.seen) == stop_after:
                trainer.save_checkpoint(tmp_path / "stopped.ckpt")
                trainer.should_stop = True

    first = Watcher()
    trainer(tmp_path, max_epochs=3, callbacks=[SaveAfterBatch()]).fit(first, datamodule=datamodule(splits))
    assert first.seen == whole.seen[:stop_after]
    second = Watcher()
    trainer(tmp_path, max_epochs=3).fit(second, datamodule=datamodule(splits), ckpt_path=tmp_path / "stopped.ckpt", weights_only=False)
    assert second.seen == whole.seen[stop_after:]
    assert all(mine.equal(theirs) for mine, theirs in zip(second.views, whole.views[stop_after:], strict=True))


def test_sources_of_pytorchvideo(splits):
    pairs = [splits.train[index] for index in range(3)]
    paths = LabeledVideoPaths([(path, attributes["label"]) for path, attributes in pairs])
    for source in (pairs, paths, LabeledVideoDataset(paths, UniformClipSampler(1)), splits):
        data = datamodule(source)
        batch = next(iter(data.train_dataloader()))
        assert batch.views.shape == (2, 7, 3, 16, 16)
        assert data.labeled
    assert (data.has_test, data.class_names[0], len(data.manifest("test"))) == (True, "ApplyEyeMakeup", 3)


def test_evaluation_reads_every_video_once(splits):
    data = datamodule(splits)
    batches = list(data.evaluation_dataloader("train"))
    assert [batch.video_index.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [batch.label.tolist() for batch in batches] == [[0] * 3, [1] * 3, [2] * 3]
    assert frame_numbers(batches[0].frames[0]) == [0, 4, 7, 11]
    prepared = data.prepare(batches[0])
    assert prepared.frames.dtype == torch.float32
    torch.testing.assert_close(prepared.frames, batches[0].frames.float() / 255, rtol=0, atol=1e-6)
    assert len(list(data.evaluation_dataloader("test"))) == 1


def test_a_backbones_normalization_takes_the_place_of_the_options(tmp_path, splits, caplog):
    plain, normalized, watchers = datamodule(splits), datamodule(splits), (Watcher(), Watcher())
    normalized.color_augmentation = plain_color()  # the other tests share theirs
    plain.normalize_as(None)
    with caplog.at_level(logging.INFO):
        normalized.normalize_as(Normalization(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)))
    assert "as the backbone requires: mean (0.5, 0.5, 0.5), std (0.25, 0.25, 0.25)" in caplog.text
    for data, watcher in zip((plain, normalized), watchers, strict=True):
        trainer(tmp_path, max_epochs=1).fit(watcher, datamodule=data)
    torch.testing.assert_close(watchers[1].views[0], (watchers[0].views[0] - 0.5) / 0.25)
    batch = next(iter(plain.evaluation_dataloader("test")))
    torch.testing.assert_close(normalized.prepare(batch).frames, (plain.prepare(batch).frames - 0.5) / 0.25)


def test_evaluation_of_clips(splits):
    data = datamodule(splits, frames_per_clip=3)
    batch = next(iter(data.evaluation_dataloader("test")))
    assert batch.frames.shape == (3, 4, 3, 3, 16, 16)
    torch.testing.assert_close(data.prepare(batch).frames, batch.frames.float() / 255, rtol=0, atol=1e-6)


def test_no_test_split_is_told(splits):
    data = datamodule([splits.train[0], splits.train[1]])
    assert not data.has_test
    with pytest.raises(InputError, match="expected a test split; got data without a test split"):
        data.evaluation_dataloader("test")


def test_a_batch_larger_than_the_data_is_told(tmp_path, splits):
    with pytest.raises(InputError, match=r"got loader\.batch_size=10\. Set loader\.batch_size=9 or less"):
        trainer(tmp_path).fit(Watcher(), datamodule=datamodule(splits, batch_size=10))


@pytest.fixture
def third_broken(tmp_path):
    good = copies(tmp_path / f"{number}.mp4" for number in range(6))
    return [(str(path), None) for path in [*good, *(write_broken(tmp_path / f"broken{number}.mp4") for number in range(3))]]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_third_broken_is_replaced_and_listed(tmp_path, third_broken, workers):
    data, watcher = datamodule(third_broken, batch_size=3, workers=workers, max_broken_fraction=0.5), Watcher()
    trainer(tmp_path).fit(watcher, datamodule=data)
    assert len(watcher.seen) == 6
    assert all(index < 6 for *_, batch in watcher.seen for index in batch)
    assert sorted(video.path for video in data.broken_videos) == [path for path, _ in third_broken[6:]]
    assert not data.labeled


def test_too_many_broken_end_the_run(tmp_path, third_broken):
    with pytest.raises(InputError, match=r"at most 10% of 9 videos broken \(loader\.max_broken_fraction\); got [12] so far"):
        trainer(tmp_path).fit(Watcher(), datamodule=datamodule(third_broken))


def test_broken_videos_are_rows_without_frames_in_evaluation(third_broken):
    batches = list(datamodule(third_broken).evaluation_dataloader("train"))
    assert [batch.valid.any(dim=1).tolist() for batch in batches] == [[True] * 3, [True] * 3, [False] * 3]
    assert [video.path for batch in batches for video in batch.broken] == [path for path, _ in third_broken[6:]]


@pytest.mark.parametrize(
    ("option", "value"),
    [("batch_size", 0), ("evaluation_batch_size", 0), ("workers", -1), ("prefetch_batches", 0), ("max_broken_fraction", 1.5)],
)
def test_loader_options_out_of_range_are_told(option, value):
    options = {"batch_size": 1, "evaluation_batch_size": 1, "workers": 0, "prefetch_batches": 1, "max_broken_fraction": 0.1}
    with pytest.raises(InputError, match=rf"loader\.{option}"):
        LoaderOptions(**(options | {option: value}))


def test_batches_leave_the_global_generator_alone(splits):
    """What a run draws after its data must not depend on how often it asked for a batch, or resumed."""
    data = datamodule(splits)
    state = torch.get_rng_state()
    list(data.train_dataloader())
    list(data.evaluation_dataloader("train"))
    assert torch.equal(torch.get_rng_state(), state)


def test_workers_of_none_are_the_cores_of_the_rank(splits):
    options = LoaderOptions(batch_size=1, evaluation_batch_size=1, workers=None, max_broken_fraction=0.1)
    assert options.worker_count(cores=14, batches=100) == 14
    assert replace(options, workers=3).worker_count(cores=14, batches=1) == 3
    data = datamodule(splits)
    data.loader = replace(data.loader, workers=None)
    data.setup("fit")
    assert data.train_dataloader().workers == data.workers == min(available_cores(), len(data.manifest("train")))


def test_a_crop_that_sees_little_is_told_when_videos_are_evaluated(tmp_path, caplog):
    small, large = write_video(tmp_path / "small.mp4"), write_video(tmp_path / "large.mp4", height=96, width=128)
    data = datamodule([(str(small), 0), (str(large), 1), (str(small), 0)])
    with caplog.at_level(logging.WARNING, logger="vclr_pl"):
        for batch in data.evaluation_dataloader("train"):
            data.prepare(batch)
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("the crop of 16 pixels covers 8% of the frames of ")
    assert told.endswith("small.mp4 (64x48); evaluation_view.short_side_pixels=18 covers more")
