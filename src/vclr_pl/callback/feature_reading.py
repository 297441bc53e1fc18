"""Features of videos for the measures during and after training: read on the run's own devices, by all its ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vclr_pl.evaluation.chance import chance_percent
from vclr_pl.evaluation.copy_retrieval import copied_videos, with_copies
from vclr_pl.evaluation.feature_extraction import extract_features
from vclr_pl.evaluation.label_needs import applicable
from vclr_pl.op.collective import broadcast_from_first, from_first
from vclr_pl.types import BrokenVideo, FeatureTable

Measure = Callable[..., dict[str, float]]


@dataclass(frozen=True)
class Measured:
    """Figures by name, and the features that they are of; `query` is None for data without a test list."""

    percent: dict[str, float]
    gallery: FeatureTable
    query: FeatureTable | None
    copied: int = 0  # videos of which copies were made

    @property
    def queries(self) -> int:
        """Number of videos that the figures of labels are means over; 0 without labels."""
        table = self.gallery if self.query is None else self.query
        return 0 if bool((table.label < 0).any()) else len(table)

    @property
    def chance(self) -> dict[str, float]:
        """What random neighbors give, percent, by metric."""
        return chance_percent(self.percent, gallery=self.gallery, query=self.query)

    @property
    def broken(self) -> tuple[BrokenVideo, ...]:
        """Videos that had to be left out."""
        return self.gallery.broken + (() if self.query is None else self.query.broken)


def read_features(
    *,
    trainer: Any,
    encoder: Callable[[Tensor], Tensor],
    split: str,
    precision: str,
    frames_per_pass: int,
    videos: Sequence[int] | None = None,
) -> FeatureTable:
    """The table of `split` (`train` or `test`), or of some of its videos, the same on every rank. All ranks call it together."""
    data = trainer.datamodule
    return extract_features(
        encoder=encoder,
        batches=data.evaluation_dataloader(split, videos=videos),
        prepare=data.prepare,
        path=data.manifest(split).path,
        class_names=data.class_names,
        device=trainer.strategy.root_device,
        precision=precision,
        frames_per_pass=frames_per_pass,
    )


def read_copies(
    *, trainer: Any, encoder: Callable[[Tensor], Tensor], videos: Sequence[int], precision: str, frames_per_pass: int
) -> FeatureTable:
    """The table of the made copies of these training videos; `video_index` is that of the original. All ranks call it together."""
    data = trainer.datamodule
    kinds, manifest = data.copies_per_video, data.manifest("train")
    table = extract_features(
        encoder=encoder,
        batches=data.copies_dataloader(videos),
        prepare=data.prepare,
        path=lambda index: manifest.path(videos[index // kinds]),
        class_names=(),
        device=trainer.strategy.root_device,
        precision=precision,
        frames_per_pass=frames_per_pass,
    )
    return replace(table, video_index=torch.tensor(videos, dtype=torch.long)[table.video_index // kinds])


def agree_on_statistics(module: Any) -> None:
    """All ranks take rank 0's batch-norm statistics of the query encoder, which are the ones that are saved and exported.

    Training does not read them; but each rank reads its share of the videos, and one table must be of one network.
    """
    broadcast_from_first(module.encoder.buffers())


def measure_encoder(
    *,
    trainer: Any,
    encoder: Callable[[Tensor], Tensor],
    measures: Mapping[str, Measure],
    precision: str,
    frames_per_pass: int,
    unlabeled_videos: int,
) -> Measured:
    """Every measure with the training videos as gallery and the test videos as queries.

    Labeled data without a test list is its own query, each video left out of the gallery in its turn. Of data without labels the gallery is
    an even sample of at most `unlabeled_videos` training videos, and the measures are those that need no labels.
    """
    data = trainer.datamodule
    taken = applicable(measures, labeled=data.labeled)
    options = {"trainer": trainer, "encoder": encoder, "precision": precision, "frames_per_pass": frames_per_pass}
    sample = None if data.labeled else evenly_spaced(len(data.manifest("train")), wanted=unlabeled_videos)
    gallery = read_features(split="train", videos=sample, **options)
    query = read_features(split="test", **options) if data.labeled and data.has_test else None
    rows: list[int] = []
    if wanted := copied_videos(taken):
        rows = evenly_spaced(len(gallery), wanted=wanted)
        taken = with_copies(taken, read_copies(videos=gallery.video_index[rows].tolist(), **options))

    def measured() -> dict[str, float]:
        return {name: value for measure in taken.values() for name, value in measure(gallery=gallery, query=query).items()}

    percent = from_first(measured)  # the tables are equal on all ranks, whose processes share the machine's cores
    return Measured(percent=percent, gallery=gallery, query=query, copied=len(rows))


def evenly_spaced(count: int, *, wanted: int) -> list[int]:
    """`wanted` of `count` positions, from the first to the last; all of them if there are no more."""
    if wanted >= count:
        return list(range(count))
    return [round(place * (count - 1) / max(1, wanted - 1)) for place in range(wanted)]


def videos_read(data: Any, *, unlabeled_videos: int) -> int:
    """Number of videos that `measure_encoder` reads, without made copies."""
    train = len(data.manifest("train"))
    if not data.labeled:
        return min(train, unlabeled_videos)
    return train + (len(data.manifest("test")) if data.has_test else 0)
