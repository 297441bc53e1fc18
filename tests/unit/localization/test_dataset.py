"""Samples, batches, and orders that depend on seed and epoch alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vclr_pl.datasets.activitynet import AnnotatedSegment, AnnotatedVideo
from vclr_pl.localization.dataset import SnippetDataset, SnippetLoader
from vclr_pl.types import InputError


@pytest.fixture
def dataset(tmp_path: Path) -> SnippetDataset:
    """Five videos of 10 s, of which 8 are covered; `v3` has no features."""
    segments = (AnnotatedSegment("jump", 2.0, 6.0), AnnotatedSegment("jump", 7.0, 10.0), AnnotatedSegment("jump", 8.5, 10.0))
    videos = [AnnotatedVideo(f"v{number}", "training", 10.0, segments[: number + 1]) for number in range(5)]
    for number in range(5):
        np.save(tmp_path / f"v{number}.npy", np.full((3, 4), number, np.float32))
    files = {f"v{number}": tmp_path / f"v{number}.npy" for number in range(5) if number != 3}
    return SnippetDataset(videos=videos, files=files, covered_seconds={video.identity: 8.0 for video in videos})


def test_segments_are_fractions_of_what_is_covered(dataset: SnippetDataset) -> None:
    assert len(dataset) == 4
    assert dataset[2].segments.tolist() == [[0.25, 0.75], [0.875, 1.0]]  # the third begins after what is covered
    assert dataset[3].features.tolist() == [[4.0] * 4] * 3


def test_a_batch_keeps_its_order(dataset: SnippetDataset) -> None:
    (batch,) = SnippetLoader(batch_size=3, workers=0).reading(dataset, [3, 0])
    assert batch.video_index.tolist() == [3, 0]
    assert batch.features.shape == (2, 3, 4)
    assert [len(segments) for segments in batch.segments] == [2, 1]
    assert len(batch) == 2
    moved = batch.to("cpu")
    assert torch.equal(moved.features, batch.features)


def order(dataset: SnippetDataset, *, epoch: int, rank: int = 0, ranks: int = 1, seed: int = 0) -> list[int]:
    loader = SnippetLoader(batch_size=3, workers=0).training(dataset, seed=seed, rank=rank, ranks=ranks, pin_memory=False)
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    return [index for batch in loader for index in batch.video_index.tolist()]


def test_each_epoch_holds_every_video_in_its_own_order(dataset: SnippetDataset) -> None:
    orders = [order(dataset, epoch=epoch) for epoch in range(6)]
    assert all(sorted(one) == [0, 1, 2, 3] for one in orders)
    assert len({tuple(one) for one in orders}) > 1
    assert orders == [order(dataset, epoch=epoch) for epoch in range(6)]


def test_ranks_share_the_videos(dataset: SnippetDataset) -> None:
    shares = [order(dataset, epoch=1, rank=rank, ranks=2) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == [0, 1, 2, 3]


@pytest.mark.parametrize(("name", "options"), [("batch_size", (0, 0)), ("workers", (1, -1))])
def test_figures_out_of_range_are_told(name: str, options: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"batches.{name}"):
        SnippetLoader(batch_size=options[0], workers=options[1])
