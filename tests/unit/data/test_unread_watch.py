"""More than a few videos that may be sound are told, with the option that helps."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from tests.video_fixture import copies, write_broken

from vclr_pl.data.clip_sampler import SegmentClipSampler
from vclr_pl.data.decoding.isolated import IsolatedDecoder
from vclr_pl.data.decoding.pyav import PyavDecoder
from vclr_pl.data.epoch_sampler import EpochSampler
from vclr_pl.data.manifest import Manifest
from vclr_pl.data.resumable_loader import ResumableLoader
from vclr_pl.data.transform.contrastive import ContrastiveTransform
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.unread_watch import UnreadWatch, WatchedLoader
from vclr_pl.data.video_dataset import EvaluationVideoDataset, SegmentVideoDataset
from vclr_pl.data.view_assembly import collate_video_frames
from vclr_pl.types import BrokenVideo


def slow(number: int, *, is_temporary: bool = True) -> BrokenVideo:
    return BrokenVideo(path=f"{number}.mp4", backend="pyav", reason="no answer within 60 s", is_temporary=is_temporary)


def counts(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [int(record.getMessage().split()[0]) for record in caplog.records if "may be temporary" in record.getMessage()]


def test_it_tells_from_the_fourth_on_at_each_doubling_and_each_video_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = UnreadWatch()
    with caplog.at_level(logging.WARNING):
        watch.observe([slow(1), slow(1), slow(2), slow(3)])
        watch.observe(slow(number, is_temporary=False) for number in range(10, 20))
        assert not counts(caplog)
        for number in range(4, 17):
            watch.observe([slow(number), slow(number)])
    assert counts(caplog) == [4, 8, 16]
    assert "4.mp4: no answer within 60 s" in caplog.text
    assert "decoding.decode_timeout_seconds" in caplog.text


class NoPhotometry:
    def draw(self, views, generator):
        return generator.random((views, 2), dtype="float32")


class SlowDecoder(PyavDecoder):
    def open(self, path):
        time.sleep(60 if Path(path).name.startswith("slow") else 0)
        return super().open(path)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    good = copies(tmp_path / f"{number}.mp4" for number in range(2))
    slow = [write_broken(tmp_path / f"slow_{number}.mp4") for number in range(4)]
    return Manifest.from_pairs([(str(path), 0) for path in (*good, *slow)])


def decoder() -> IsolatedDecoder:
    return IsolatedDecoder(decoder=SlowDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=0.2)


def test_a_loop_over_training_batches_without_workers_tells(manifest: Manifest, caplog: pytest.LogCaptureFixture) -> None:
    dataset = SegmentVideoDataset(
        manifest=manifest,
        decoder=decoder(),
        sampling=SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1),
        transform=ContrastiveTransform(size_pixels=8, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        photometric=NoPhotometry(),
        seed=0,
    )
    sampler = EpochSampler(videos=len(manifest), batch_size=2, rank=0, ranks=1, seed=0)
    loader = ResumableLoader(dataset=dataset, sampler=sampler, workers=0, prefetch_batches=2, pin_memory=False)
    with caplog.at_level(logging.WARNING):
        assert len(list(loader)) == 3
    assert counts(caplog) == [4]


def test_batches_for_evaluation_tell(manifest: Manifest, caplog: pytest.LogCaptureFixture) -> None:
    view = EvaluationView(frames=5, crop_pixels=32, short_side_pixels=None, mean=(0, 0, 0), std=(1, 1, 1))
    sampling = SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1)
    dataset = EvaluationVideoDataset(manifest=manifest, decoder=decoder(), view=view, sampling=sampling)
    with caplog.at_level(logging.WARNING):
        assert len(list(WatchedLoader(dataset, batch_size=2, collate_fn=collate_video_frames))) == 3
    assert counts(caplog) == [4]
