"""Datasets of resampled features and true segments, for training and proposals.

Legend: B videos, D features, T positions, A segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from vclr_pl.datasets.activitynet import AnnotatedVideo
from vclr_pl.types import InputError, MovableBatch


@dataclass(frozen=True)
class SnippetSample:
    """One video of a SnippetBatch."""

    features: Tensor  # [D, T]
    segments: Tensor  # [A, 2]
    video_index: int


@dataclass(frozen=True)
class SnippetBatch(MovableBatch):
    """One batch of localization: features of untrimmed videos at T positions, and where the actions are."""

    features: Tensor  # [B, D, T] float32
    segments: tuple[Tensor, ...]  # float64 [A, 2] of each video, as fractions of what its snippets cover
    video_index: Tensor  # [B] long


class SnippetDataset(Dataset[SnippetSample]):
    """Dataset of the videos with features.

    Args:
        videos: of one subset, in the order of the annotations; videos without a file are skipped.
        files: resampled features `[D, T]` by identity.
        covered_seconds: seconds covered by the snippets of each video; segments become fractions of it, cut to 0..1.
    """

    def __init__(self, *, videos: Sequence[AnnotatedVideo], files: Mapping[str, Path], covered_seconds: Mapping[str, float]) -> None:
        self.videos = tuple(video for video in videos if video.identity in files)
        self.files, self.covered_seconds = files, covered_seconds

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> SnippetSample:
        video = self.videos[index]
        seconds = self.covered_seconds[video.identity]
        fractions = [[segment.start_seconds / seconds, segment.end_seconds / seconds] for segment in video.segments]
        segments_A2 = torch.tensor(fractions, dtype=torch.float64).reshape(-1, 2).clamp(0.0, 1.0)
        return SnippetSample(
            features=torch.from_numpy(np.load(self.files[video.identity])),
            segments=segments_A2[segments_A2[:, 1] > segments_A2[:, 0]],
            video_index=index,
        )


@dataclass(frozen=True, kw_only=True)
class SnippetLoader:
    """batch_size: videos per step on each device. workers: loader processes; 0 suffices, because feature files are small."""

    batch_size: int
    workers: int

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("workers", 0)):
            if getattr(self, name) < least:
                raise InputError(
                    expected=f"batches.{name} of at least {least}",
                    got=str(getattr(self, name)),
                    hint=f"Set batches.{name}={least} or more.",
                )

    def training(self, dataset: SnippetDataset, *, seed: int, rank: int, ranks: int, pin_memory: bool) -> DataLoader[SnippetSample]:
        """Training batches, in an order drawn from (seed, epoch). The last batch may be smaller, so few videos suffice for training.

        Args:
            pin_memory: of features and segments, so that training does not wait for their copies to a GPU.
        """
        sampler: DistributedSampler[SnippetSample] = DistributedSampler(dataset, num_replicas=ranks, rank=rank, seed=seed)
        return self._loader(dataset, sampler, pin_memory=pin_memory)

    def reading(self, dataset: SnippetDataset, indices: Sequence[int]) -> DataLoader[SnippetSample]:
        """Batches of these videos, each once and in order."""
        return self._loader(dataset, list(indices), pin_memory=False)

    def _loader(self, dataset: SnippetDataset, sampler: object, *, pin_memory: bool) -> DataLoader[SnippetSample]:
        return DataLoader(
            dataset,
            sampler=sampler,  # type: ignore[arg-type]
            batch_size=self.batch_size,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=pin_memory,
            collate_fn=collate_snippets,
        )


def collate_snippets(samples: list[SnippetSample]) -> SnippetBatch:
    return SnippetBatch(
        features=torch.stack([sample.features for sample in samples]),
        segments=tuple(sample.segments for sample in samples),
        video_index=torch.tensor([sample.video_index for sample in samples]),
    )
