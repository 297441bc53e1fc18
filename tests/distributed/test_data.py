"""Two processes and one see the same data: every sample of an epoch once, equal counts, the same replacements."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter

import pytest
import pytorch_lightning as lightning
import torch
from tests.color_draws import published_color
from tests.distributed.pair_environment import PairEnvironment
from tests.video_fixture import copies, write_broken, write_video

from vclr_pl.data.datamodule import LoaderOptions, VideoDataModule
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.types import InputError
from vclr_pl.video.pyav import PyavDecoder


def datamodule(paths, *, batch_size, workers, max_broken_fraction=1.0):
    return VideoDataModule(
        splits=[(path, number) for number, path in enumerate(paths)],
        sampling=SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1),
        decoding=PyavDecoder(threads=1, short_side_pixels=None),
        transform=ContrastiveTransform(size_pixels=8, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        color_augmentation=published_color(),
        evaluation_view=EvaluationView(frames=4, crop_pixels=8, short_side_pixels=None, mean=(0, 0, 0), std=(1, 1, 1)),
        loader=LoaderOptions(batch_size=batch_size, evaluation_batch_size=2, workers=workers, max_broken_fraction=max_broken_fraction),
        seed=0,
    )


def fingerprint(batch, row):
    """A sample's identity: its video, every pixel, every parameter, its orders."""
    parts = (batch.views, batch.color_parameters, batch.anchor_segment, batch.query_order, batch.key_order, batch.order_label)
    content = b"".join(part[row].numpy().tobytes() for part in parts)
    return int(batch.video_index[row]), hashlib.sha256(content).hexdigest()


def epochs_of(paths, batch_size, workers):
    """Of each of two epochs, of each batch: its samples' fingerprints; and the paths of all broken videos met."""
    data = datamodule(paths, batch_size=batch_size, workers=workers)
    loader, epochs, broken = data.train_dataloader(), [], set()
    assert data.batches_per_epoch == len(loader)
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        batches = list(loader)
        epochs.append([[fingerprint(batch, row) for row in range(len(batch))] for batch in batches])
        broken |= {video.path for batch in batches for video in batch.broken}
    return epochs, broken


def evaluated(paths):
    data = datamodule(paths, batch_size=1, workers=0)
    return [
        (int(index), bool(valid.any()))
        for batch in data.evaluation_dataloader("train")
        for index, valid in zip(batch.video_index, batch.valid, strict=True)
    ]


@pytest.fixture
def paths(tmp_path):
    """Thirteen videos of different lengths."""
    return [str(write_video(tmp_path / f"{number}.avi", frames=8 + number)) for number in range(13)]


@pytest.mark.parametrize("workers", [0, 1])
def test_two_processes_see_what_one_sees(two_processes, paths, workers):
    """Thirteen videos in batches of four: three global batches, of which each rank holds half, sample for sample the same."""
    one, _ = epochs_of(paths, 4, 0)
    ranks = two_processes(epochs_of, paths, 2, workers)
    for epoch in (0, 1):
        assert [len(ranks[rank][0][epoch]) for rank in (0, 1)] == [3, 3] == [len(one[epoch])] * 2
        for batch in range(3):
            together = ranks[0][0][epoch][batch] + ranks[1][0][epoch][batch]
            assert sorted(together) == sorted(one[epoch][batch])
        videos = Counter(video for batch in one[epoch] for video, _ in batch)
        assert len(videos) == 12
        assert set(videos.values()) == {1}


def test_ranks_keep_step_over_broken_videos(two_processes, tmp_path):
    """A third is broken: equal counts, the same replacements as in one process, and none of the broken ones unreported."""
    good = [str(path) for path in copies(tmp_path / f"{number}.mp4" for number in range(8))]
    lost = [str(write_broken(tmp_path / f"broken{number}.mp4")) for number in range(4)]
    one, broken = epochs_of([*good, *lost], 4, 0)
    ranks = two_processes(epochs_of, [*good, *lost], 2, 0)
    assert broken == ranks[0][1] | ranks[1][1] == set(lost)
    for epoch in (0, 1):
        assert [len(ranks[rank][0][epoch]) for rank in (0, 1)] == [3, 3]
        together = [sample for rank in (0, 1) for batch in ranks[rank][0][epoch] for sample in batch]
        assert sorted(together) == sorted(sample for batch in one[epoch] for sample in batch)


def test_evaluation_reads_each_video_once_over_the_ranks(two_processes, paths, tmp_path):
    paths = [*paths, str(write_broken(tmp_path / "broken.mp4"))]
    ranks = two_processes(evaluated, paths)
    assert [len(share) for share in ranks] == [7, 7]
    assert sorted(ranks[0] + ranks[1]) == [(index, index < 13) for index in range(14)]


class Watcher(lightning.LightningModule):
    """Trains one weight, and keeps which videos it saw."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch_idx, batch.video_index.tolist()))
        return self.weight * batch.views.mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def run_under_ddp(paths, folder, max_broken_fraction):
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)  # as in pyproject.toml
    data = datamodule(paths, batch_size=2, workers=0, max_broken_fraction=max_broken_fraction)
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        plugins=[PairEnvironment()],
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    watcher = Watcher()
    try:
        trainer.fit(watcher, datamodule=data)
    except InputError as error:
        return watcher.seen, sorted(video.path for video in data.broken_videos), str(error)
    return watcher.seen, sorted(video.path for video in data.broken_videos), ""


def test_a_third_broken_under_lightning(two_processes, tmp_path):
    """Both ranks take every step and end with the same list."""
    good = [str(path) for path in copies(tmp_path / f"{number}.mp4" for number in range(8))]
    lost = [str(write_broken(tmp_path / f"broken{number}.mp4")) for number in range(4)]
    answers = two_processes(run_under_ddp, [*good, *lost], str(tmp_path), 0.5)
    for seen, broken, error in answers:
        assert [(epoch, number) for epoch, number, _ in seen] == [(epoch, number) for epoch in (0, 1) for number in range(3)]
        assert broken == lost
        assert not error
    assert all(index < 8 for seen, *_ in answers for *_, batch in seen for index in batch)


def test_too_many_broken_stop_both_ranks_at_the_same_step(two_processes, tmp_path):
    good = [str(path) for path in copies(tmp_path / f"{number}.mp4" for number in range(8))]
    lost = [str(write_broken(tmp_path / f"broken{number}.mp4")) for number in range(4)]
    answers = two_processes(run_under_ddp, [*good, *lost], str(tmp_path), 0.1)
    (first, *_), (second, *_) = answers
    assert len(first) == len(second) == 2  # the third and last step of the first epoch is where they compare notes
    assert "at most 10% of 12 videos broken" in answers[0][2]
    assert answers[0][1:] == answers[1][1:]
