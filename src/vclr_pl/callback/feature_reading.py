"""Feature tables of a run's own data, read with a network while the trainer holds the devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vclr_pl.evaluation.feature_extraction import extract_features
from vclr_pl.op.collective import broadcast_from_first
from vclr_pl.types import BrokenVideo, FeatureTable

Measure = Callable[..., dict[str, float]]


@dataclass(frozen=True)
class Measured:
    """Figures by name, and the features that they are of; `query` is None for data without a test list."""

    percent: dict[str, float]
    gallery: FeatureTable
    query: FeatureTable | None

    @property
    def broken(self) -> tuple[BrokenVideo, ...]:
        """Videos that had to be left out."""
        return self.gallery.broken + (() if self.query is None else self.query.broken)


def read_features(*, trainer: Any, encoder: Callable[[Tensor], Tensor], split: str, precision: str, frames_per_pass: int) -> FeatureTable:
    """The table of `split` (`train` or `test`), the same on every rank. All ranks call it together."""
    data = trainer.datamodule
    return extract_features(
        encoder=encoder,
        batches=data.evaluation_dataloader(split),
        prepare=data.prepare,
        path=data.manifest(split).path,
        class_names=data.class_names,
        device=trainer.strategy.root_device,
        precision=precision,
        frames_per_pass=frames_per_pass,
    )


def agree_on_statistics(module: Any) -> None:
    """All ranks take rank 0's batch-norm statistics of the query encoder, which are the ones that are saved and exported.

    Training does not read them; but each rank reads its share of the videos, and one table must be of one network.
    """
    broadcast_from_first(module.encoder.buffers())


def measure_encoder(
    *, trainer: Any, encoder: Callable[[Tensor], Tensor], measures: Mapping[str, Measure], precision: str, frames_per_pass: int
) -> Measured:
    """Every measure with the training videos as gallery and the test videos as queries.

    Data without a test list is its own query, each video left out of the gallery in its turn.
    """
    splits = ["train", "test"] if trainer.datamodule.has_test else ["train"]
    tables = [
        read_features(trainer=trainer, encoder=encoder, split=split, precision=precision, frames_per_pass=frames_per_pass)
        for split in splits
    ]
    query = tables[1] if len(tables) == 2 else None
    percent: dict[str, float] = {}
    for measure in measures.values():
        percent.update(measure(gallery=tables[0], query=query))
    return Measured(percent=percent, gallery=tables[0], query=query)
