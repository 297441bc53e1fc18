"""Evaluation during and after training."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as lightning
from torch import Tensor, nn

from vclr_pl.evaluation.attentive_probe import refuse_frame_measures
from vclr_pl.evaluation.chance import chance_percent
from vclr_pl.evaluation.feature_extraction import extract_features, refuse_unknown_precision
from vclr_pl.op.collective import broadcast_from_first
from vclr_pl.report.record import RANDOM_INITIALIZATION
from vclr_pl.types import BrokenVideo, FeatureTable

Measure = Callable[..., dict[str, float]]


@dataclass(frozen=True)
class Measured:
    """Figures by name, and the features that they are of; `query` is None for data without a test list."""

    percent: dict[str, float]
    gallery: FeatureTable
    query: FeatureTable | None

    @property
    def queries(self) -> int:
        """Number of videos that the figures are means over."""
        return len(self.gallery if self.query is None else self.query)

    @property
    def chance(self) -> dict[str, float]:
        """What random neighbors give, percent, by metric."""
        return chance_percent(self.percent, gallery=self.gallery, query=self.query)

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


class KnnMonitor(lightning.Callback):
    """Log `val/knn_top1` every n epochs, except after the last, which is followed by the evaluation. Skipped if the data has no labels.

    Args:
        measure: of tables `gallery` and `query`.
        every_n_epochs: between two readings; 0 never reads.
        precision, frames_per_pass: as of the evaluation.
    """

    def __init__(self, *, measure: Measure, every_n_epochs: int, precision: str, frames_per_pass: int) -> None:
        if every_n_epochs > 0:
            refuse_unknown_precision(precision)
        self.measure, self.every_n_epochs = measure, every_n_epochs
        self.precision, self.frames_per_pass = precision, frames_per_pass

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not self._is_due(trainer):
            return
        agree_on_statistics(pl_module)
        features: Any = pl_module.features
        measured = measure_encoder(
            trainer=trainer,
            encoder=features,
            measures={"knn": self.measure},
            precision=self.precision,
            frames_per_pass=self.frames_per_pass,
        )
        pl_module.log_dict({f"val/{name}": value for name, value in measured.percent.items()}, rank_zero_only=True)

    def readings(self, trainer: Any, *, epochs: int) -> int:
        """Number of readings after complete epochs, in a run of so many."""
        applies = self.every_n_epochs > 0 and trainer.datamodule.labeled and not trainer.fast_dev_run
        return (epochs - (epochs == trainer.max_epochs)) // self.every_n_epochs if applies else 0

    def _is_due(self, trainer: Any) -> bool:
        epoch = trainer.current_epoch + 1
        return self.readings(trainer, epochs=epoch) > self.readings(trainer, epochs=epoch - 1)


logger = logging.getLogger(__name__)


class EncoderEvaluation(lightning.Callback):
    """Evaluates before the first and after the last step, on the run's own devices and all its ranks.

    Data without labels and a `fast_dev_run` are not evaluated; the log says so.

    Args:
        enabled: false evaluates nothing.
        baseline: also evaluate the start, as `keep_start` found it: the random initialization, or the loaded weights.
        precision: of the network, as the trainer spells it.
        frames_per_pass: frames in one forward pass.
        measures: by any name; each takes `gallery` and `query` tables and gives percentages by name.

    Raises:
        InputError: an unsupported precision, or a measure that needs frame features.
    """

    def __init__(self, *, enabled: bool, baseline: bool, precision: str, frames_per_pass: int, measures: Mapping[str, Measure]) -> None:
        if enabled:
            refuse_unknown_precision(precision)
            refuse_frame_measures(measures)
        self.enabled, self.wants_baseline = enabled, baseline
        self.precision, self.frames_per_pass, self.measures = precision, frames_per_pass, dict(measures)
        self.start: nn.Module | None = None
        self.baseline_name = RANDOM_INITIALIZATION
        self.baseline: dict[str, float] = {}
        self.metrics: dict[str, float] = {}
        self.measured: Measured | None = None  # of the trained encoder
        self.timings_seconds: dict[str, float] = {}
        self._fit_started = 0.0

    def keep_start(self, module: Any, *, name: str) -> None:
        """Copy the encoder from which the run starts, before a checkpoint is restored or a step is made; `name` is the baseline's."""
        self.baseline_name = name
        if self.enabled and self.wants_baseline:
            self.start = copy.deepcopy(module.encoder).requires_grad_(False)

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        if self.start is not None and self.evaluates_start(trainer):
            logger.info("evaluating the %s", self.baseline_name)
            network = self.start.to(trainer.strategy.root_device)
            self.baseline = self._measure(trainer, network, name="baseline_evaluation").percent
        self.start = None
        self._fit_started = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        return {"baseline": self.baseline, "baseline_name": self.baseline_name, "measures": sorted(self.measures)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A resumed run keeps the baseline of its first start, if it wants one and names the same measures."""
        if self.wants_baseline and state_dict["measures"] == sorted(self.measures):
            self.baseline = dict(state_dict["baseline"])
            self.baseline_name = state_dict.get("baseline_name", RANDOM_INITIALIZATION)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.timings_seconds["fit"] = round(time.perf_counter() - self._fit_started, 2)
        if self.applies(trainer):
            logger.info("evaluating the trained encoder")
            agree_on_statistics(pl_module)
            self.measured = self._measure(trainer, pl_module.features, name="evaluation")
            self.metrics = self.measured.percent
        elif self.enabled and not trainer.datamodule.labeled:  # type: ignore[attr-defined]
            logger.info("the data has no labels: skipping retrieval, kNN and linear probe")

    def _measure(self, trainer: lightning.Trainer, encoder: Any, *, name: str) -> Measured:
        started = time.perf_counter()
        measured = measure_encoder(
            trainer=trainer, encoder=encoder, measures=self.measures, precision=self.precision, frames_per_pass=self.frames_per_pass
        )
        self.timings_seconds[name] = round(time.perf_counter() - started, 2)
        if measured.broken and name == "evaluation":
            logger.warning(
                "%d broken video(s) were left out of the evaluation, the first is %s", len(measured.broken), measured.broken[0].path
            )
        return measured

    def evaluates_start(self, trainer: Any) -> bool:
        """True if the start is evaluated before the first step."""
        return self.applies(trainer) and self.start is not None and not self.baseline

    def applies(self, trainer: Any) -> bool:
        """True if the run is evaluated after its last step."""
        return self.enabled and trainer.datamodule.labeled and not trainer.fast_dev_run
