"""Batches of whole videos for trained networks: over all ranks, each remaining video once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch.utils.data import DataLoader

from vclr_pl.data.broken_videos import WatchedLoader
from vclr_pl.data.cores import cores_of_rank, reading_workers
from vclr_pl.data.samples import collate_video_frames
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.video_dataset import EvaluationVideoDataset
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.types import InputError, VideoFrames
from vclr_pl.video.protocol import VideoDecoder


@dataclass(frozen=True, kw_only=True)
class ReadingWorkers:
    """Options of the loader, which change the speed and not the features.

    workers: processes for each device, 0 for none, None for its share of the cores (`data/cores.py`). prefetch_batches: prepared in
    advance by each worker.
    """

    workers: int | None
    prefetch_batches: int

    def __post_init__(self) -> None:
        self.refuse_less("workers", 0)
        self.refuse_less("prefetch_batches", 1)

    def refuse_less(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if value is not None and value < least:
            raise InputError(expected=f"loader.{name} of at least {least}", got=str(value), hint=f"Set loader.{name}={least} or more.")

    def worker_count(self, *, ranks: int, batches: int) -> int:
        """Processes for `batches` batches of one of `ranks`, which call it together."""
        return reading_workers(cores=cores_of_rank(ranks=ranks), batches=batches) if self.workers is None else min(self.workers, batches)


@dataclass(frozen=True, kw_only=True)
class ReadingOptions(ReadingWorkers):
    """Options of the loader for batches. videos_per_batch: videos that a worker reads for one batch."""

    videos_per_batch: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_less("videos_per_batch", 1)


@dataclass(frozen=True, kw_only=True)
class VideoReading:
    """Videos of `manifest`, preprocessed for `encoder`."""

    manifest: Manifest
    encoder: FrozenEncoder
    decoding: VideoDecoder
    options: ReadingOptions

    def batches(self, videos: Sequence[int], *, rank: int, ranks: int, pin_memory: bool) -> DataLoader[VideoFrames]:
        """The part of `videos` (indices of the manifest) for this rank, as VideoFrames, uint8."""
        own = videos[rank::ranks]
        workers = self.options.worker_count(ranks=ranks, batches=len(own) // self.options.videos_per_batch + 1)
        return WatchedLoader(
            EvaluationVideoDataset(
                manifest=self.manifest,
                decoder=self.decoding,
                view=self.encoder.view,
                sampling=SegmentClipSampler(
                    segments=2, frames_per_clip=self.encoder.frames_per_clip, frame_stride=self.encoder.frame_stride
                ),
            ),
            sampler=own,
            batch_size=self.options.videos_per_batch,
            num_workers=workers,
            prefetch_factor=self.options.prefetch_batches if workers else None,
            pin_memory=pin_memory,
            collate_fn=collate_video_frames,
        )
