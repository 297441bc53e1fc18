"""Evaluation before and after training."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as lightning
from torch import nn

from vclr_pl.callback.feature_reading import Measure, Measured, agree_on_statistics, measure_encoder
from vclr_pl.evaluation.attentive_probe import refuse_frame_measures
from vclr_pl.evaluation.feature_extraction import refuse_unknown_precision
from vclr_pl.evaluation.label_needs import applicable, skipped
from vclr_pl.report.record import RANDOM_INITIALIZATION

logger = logging.getLogger(__name__)


class EncoderEvaluation(lightning.Callback):
    """Evaluates before the first and after the last step, on the run's own devices and all its ranks.

    Of data without labels, the measures that need none are taken; the log says which are skipped. A `fast_dev_run` is not evaluated.

    Args:
        enabled: false evaluates nothing.
        baseline: also evaluate the start, as `keep_start` found it: the random initialization, or the loaded weights.
        precision: of the network, as the trainer spells it.
        frames_per_pass: frames in one forward pass.
        unlabeled_videos: training videos that are read if the data has no labels.
        measures: by any name; each takes `gallery` and `query` tables and gives percentages by name.

    Raises:
        InputError: an unsupported precision, or a measure that needs frame features.
    """

    def __init__(
        self,
        *,
        enabled: bool,
        baseline: bool,
        precision: str,
        frames_per_pass: int,
        unlabeled_videos: int,
        measures: Mapping[str, Measure],
    ) -> None:
        if enabled:
            refuse_unknown_precision(precision)
            refuse_frame_measures(measures)
        self.enabled, self.wants_baseline = enabled, baseline
        self.precision, self.frames_per_pass, self.measures = precision, frames_per_pass, dict(measures)
        self.unlabeled_videos = unlabeled_videos
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
        if self.start is not None:  # it is exported if the evaluation finds it better than what training made of it
            self.start = None if self.baseline_name == RANDOM_INITIALIZATION else self.start.cpu()
        self._fit_started = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        return {"baseline": self.baseline, "baseline_name": self.baseline_name, "measures": sorted(self.measures)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A resumed run keeps the baseline of its first start, if it wants one and names the same measures, or more."""
        if self.wants_baseline and set(state_dict["measures"]) <= set(self.measures):
            self.baseline = dict(state_dict["baseline"])
            self.baseline_name = state_dict.get("baseline_name", RANDOM_INITIALIZATION)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.timings_seconds["fit"] = round(time.perf_counter() - self._fit_started, 2)
        if self.applies(trainer):
            logger.info("evaluating the trained encoder")
            agree_on_statistics(pl_module)
            self.measured = self._measure(trainer, pl_module.features, name="evaluation")
            self.metrics = self.measured.percent
        if self.enabled and (left_out := self.skipped(trainer)):
            logger.info("the data has no labels: skipping %s", ", ".join(left_out))

    def _measure(self, trainer: lightning.Trainer, encoder: Any, *, name: str) -> Measured:
        started = time.perf_counter()
        measured = measure_encoder(
            trainer=trainer,
            encoder=encoder,
            measures=self.measures,
            precision=self.precision,
            frames_per_pass=self.frames_per_pass,
            unlabeled_videos=self.unlabeled_videos,
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
        return self.enabled and bool(applicable(self.measures, labeled=trainer.datamodule.labeled)) and not trainer.fast_dev_run

    def skipped(self, trainer: Any) -> list[str]:
        """The measures that the data's labels do not allow, in words."""
        return skipped(self.measures, labeled=trainer.datamodule.labeled)
