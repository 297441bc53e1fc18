"""Counting broken videos, in one process and in two.
More than a few videos that may be sound are told, with the option that helps.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from tests.video_fixture import copies, write_broken

from vclr_pl.data.broken_videos import BrokenVideoTracker, UnreadWatch, WatchedLoader
from vclr_pl.data.loader import EpochSampler, ResumableLoader
from vclr_pl.data.samples import collate_video_frames
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.video_dataset import EvaluationVideoDataset, SegmentVideoDataset
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.types import BrokenVideo, InputError
from vclr_pl.video.isolated import IsolatedDecoder
from vclr_pl.video.pyav import PyavDecoder


def lost(number):
    return BrokenVideo(path=f"{number}.mp4", backend="pyav", reason="no such file")


def test_each_video_counts_once():
    account = BrokenVideoTracker(videos=20, max_broken_fraction=0.1)
    for _ in range(3):
        account.observe([lost(1), lost(2), lost(1)])
        account.agree()
    assert account.videos == (lost(1), lost(2))


def test_too_many_are_told():
    account = BrokenVideoTracker(videos=20, max_broken_fraction=0.1)
    account.observe([lost(1), lost(2), lost(3)])
    with pytest.raises(
        InputError, match=r"at most 10% of 20 videos broken .*; got 3 so far, the first is '1\.mp4': no such file\..*max_broken_fraction"
    ):
        account.agree()


def broken_of_both_ranks():
    import torch.distributed as dist  # asked of a rank, not of the test

    account = BrokenVideoTracker(videos=20, max_broken_fraction=0.1)
    rank = dist.get_rank()
    account.observe([lost(1)] if rank else [])
    account.agree()
    first = account.videos
    account.observe([lost(2), lost(3 + rank)])
    try:
        account.agree()
    except InputError as error:
        return first, account.videos, str(error)
    return None


def test_ranks_agree_and_stop_together(two_processes):
    answers = two_processes(broken_of_both_ranks)
    assert answers[0] == answers[1]
    assert answers[0][0] == (lost(1),)
    assert answers[0][1] == (lost(1), lost(2), lost(3), lost(4))


def test_one_broken_video_never_ends_a_run():
    account = BrokenVideoTracker(videos=9, max_broken_fraction=0.1)
    account.observe([BrokenVideo(path="a.mp4", backend="pyav", reason="truncated")])
    account.agree()
    account.observe([BrokenVideo(path="b.mp4", backend="pyav", reason="truncated")])
    with pytest.raises(InputError, match="2 so far"):
        account.agree()


def test_one_slow_video_among_broken_ones_does_not_change_what_is_advised():
    slow = BrokenVideo(path="slow.mp4", backend="pyav", reason="no answer within 60 s", is_temporary=True)
    account = BrokenVideoTracker(videos=20, max_broken_fraction=0.1)
    account.observe([lost(1), lost(2), slow])
    with pytest.raises(InputError, match=r"Replace them, or set loader\.max_broken_fraction higher\. 1 of the 3 may be intact\."):
        account.agree()


def slow(number: int, *, is_temporary: bool = True) -> BrokenVideo:
    return BrokenVideo(path=f"{number}.mp4", backend="pyav", reason="no answer within 60 s", is_temporary=is_temporary)


def counts(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [int(record.getMessage().split()[0]) for record in caplog.records if "possibly temporary" in record.getMessage()]


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
        color_augmentation=NoPhotometry(),
        seed=0,
    )
    sampler = EpochSampler(videos=len(manifest), batch_size=2, rank=0, ranks=1, seed=0)
    loader = ResumableLoader(dataset=dataset, sampler=sampler, workers=0, prefetch_batches=2, on_gpu=False)
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
