"""Evaluation of the trained encoder beside the same network at random initialization."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as lightning
from torch import nn

from vclr_pl.callback.feature_reading import Measure, Measured, agree_on_statistics, measure_encoder
from vclr_pl.evaluation.feature_extraction import refuse_unknown_precision

logger = logging.getLogger(__name__)


class EncoderEvaluation(lightning.Callback):
    """Evaluates before the first and after the last step, on the run's own devices and all its ranks.

    Data without labels is not evaluated; one line says so. A `fast_dev_run` is not either.

    Args:
        enabled: false evaluates nothing.
        baseline: also evaluate the random initialization, as `keep_initialization` found it.
        precision: of the network, as the trainer spells it.
        frames_per_pass: frames that the network sees at once.
        measures: by any name; each takes `gallery` and `query` tables and gives percentages by name.

    Raises:
        InputError: a precision that the evaluation does not know.
    """

    def __init__(self, *, enabled: bool, baseline: bool, precision: str, frames_per_pass: int, measures: Mapping[str, Measure]) -> None:
        if enabled:
            refuse_unknown_precision(precision)
        self.enabled, self.wants_baseline = enabled, baseline
        self.precision, self.frames_per_pass, self.measures = precision, frames_per_pass, dict(measures)
        self.initialization: nn.Module | None = None
        self.baseline: dict[str, float] = {}
        self.metrics: dict[str, float] = {}
        self.measured: Measured | None = None  # of the trained encoder
        self.timings_seconds: dict[str, float] = {}
        self._fit_started = 0.0

    def keep_initialization(self, module: Any) -> None:
        """Copy the encoder before weights are loaded, a checkpoint is restored, or a step is made."""
        if self.enabled and self.wants_baseline:
            self.initialization = copy.deepcopy(module.encoder).requires_grad_(False)

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        if self._applies(trainer) and self.initialization is not None:
            logger.info("evaluating the random initialization")
            network = self.initialization.to(trainer.strategy.root_device)
            self.baseline = self._measure(trainer, network, name="baseline_evaluation").percent
        self.initialization = None
        self._fit_started = time.perf_counter()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.timings_seconds["fit"] = round(time.perf_counter() - self._fit_started, 2)
        if self._applies(trainer):
            logger.info("evaluating the trained encoder")
            agree_on_statistics(pl_module)
            self.measured = self._measure(trainer, pl_module.features, name="evaluation")
            self.metrics = self.measured.percent
        elif self.enabled and not trainer.datamodule.labeled:  # type: ignore[attr-defined]
            logger.info("the data has no labels: retrieval, kNN and linear probe stay away")

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

    def _applies(self, trainer: Any) -> bool:
        return self.enabled and trainer.datamodule.labeled and not trainer.fast_dev_run
