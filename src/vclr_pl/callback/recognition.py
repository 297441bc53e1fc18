"""Start and evaluation of fine-tuning."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.feature_reading import read_features
from vclr_pl.callback.start_message import log_plan
from vclr_pl.evaluation.accuracy import QueryScores
from vclr_pl.evaluation.feature_extraction import refuse_unknown_precision
from vclr_pl.evaluation.scoring import recognition_scores
from vclr_pl.op.collective import broadcast_from_first
from vclr_pl.types import FeatureTable, nothing_readable

logger = logging.getLogger(__name__)


class RecognitionStart(lightning.Callback):
    """A line each on videos, steps, memory, disk, classes, the learning rate as configured and as scaled to the batch, and what is trained.

    A run shorter than the logging interval is logged at every step, so that its metrics.csv is not empty.
    """

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        module: Any = pl_module
        length = module.length
        if length.total_steps < trainer.log_every_n_steps:  # type: ignore[attr-defined]
            trainer.log_every_n_steps = 1  # type: ignore[attr-defined]
        if not trainer.is_global_zero:
            return
        log_plan(trainer, module, callbacks=trainer.callbacks)  # type: ignore[attr-defined]
        logger.info("recognition: %d classes, %d segments of each video", len(data.class_names), data.segments)
        logger.info(
            "learning rate: %g at %d videos a step (optimizer.reference_batch_size); here %d, so %g%s",
            module.optimizer.lr,
            module.optimizer.reference_batch_size,
            length.global_batch_size,
            module.scaled_lr,
            "" if module.lr_factor == 1 else f" with module.linear_lr_factor={module.lr_factor:g}",
        )
        logger.info("%s", trained(module))


def trained(module: Any) -> str:
    """Which parameters learn, and which of them otherwise than the rest."""
    total = sum(parameter.numel() for parameter in module.recognizer.parameters())
    groups = module.groups()
    count = sum(parameter.numel() for group in groups for parameter in group.parameters)
    if not module.recognizer.trains_backbone:
        return f"the linear layer trains: {count:,} parameters; the backbone's {total - count:,} stay fixed"
    odd = [f"{group.name} x{group.lr_factor:g}{'' if group.decays else ' without decay'}" for group in groups]
    return f"the whole network trains: {count:,} parameters" + (f" ({', '.join(odd)})" if len(groups) > 1 else "")


class RecognitionEvaluation(lightning.Callback):
    """Tests after the last step and, where asked, between epochs, on the run's own devices and all its ranks.

    Data without a test list and a `fast_dev_run` are not evaluated; the log says so.

    Args:
        enabled: false evaluates nothing.
        every_n_epochs: logs `val/top1` this often, the last epoch aside; 0 tests at the end alone.
        precision: of the network, as the trainer spells it.
        frames_per_pass: frames that the network sees at once, lowered to whole videos where frames look at their neighbors.

    Raises:
        InputError: a precision that the test does not know; and at the test, where none of its videos can be read.
    """

    def __init__(self, *, enabled: bool, every_n_epochs: int, precision: str, frames_per_pass: int) -> None:
        if enabled:
            refuse_unknown_precision(precision)
        self.enabled, self.every_n_epochs = enabled, every_n_epochs
        self.precision, self.frames_per_pass = precision, frames_per_pass
        self.logits: FeatureTable | None = None
        self.scores: QueryScores | None = None
        self.timings_seconds: dict[str, float] = {}
        self._fit_started = 0.0

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._fit_started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.reads_after(trainer):
            metrics = recognition_scores(self._read(trainer, pl_module)).metrics()
            shown = {name.replace("recognition_", "val/"): value for name, value in metrics.items()}
            pl_module.log_dict(shown, rank_zero_only=True)

    def reads_after(self, trainer: lightning.Trainer) -> bool:
        """True if the present epoch is followed by a test."""
        epoch = trainer.current_epoch + 1
        return self.every_n_epochs > 0 and epoch % self.every_n_epochs == 0 and epoch != trainer.max_epochs and self.applies(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.timings_seconds["fit"] = round(time.perf_counter() - self._fit_started, 2)
        if self.applies(trainer):
            started = time.perf_counter()
            logger.info("testing the recognizer on %d videos", len(trainer.datamodule.manifest("test")))  # type: ignore[attr-defined]
            self.logits = self._read(trainer, pl_module)
            self.scores = recognition_scores(self.logits)
            self.timings_seconds["evaluation"] = round(time.perf_counter() - started, 2)
            self._tell_broken(self.logits)
        elif self.enabled and not trainer.datamodule.has_test:  # type: ignore[attr-defined]
            logger.info("the data has no test list: nothing is tested (data=video_list takes data.train=FILE and data.test=FILE)")

    def _read(self, trainer: Any, module: Any) -> FeatureTable:
        broadcast_from_first(module.recognizer.buffers())  # each rank reads its share, and one table must be of one network
        step = module.recognizer.segments_per_pass
        table = read_features(
            trainer=trainer,
            encoder=module.features,
            split="test",
            precision=self.precision,
            frames_per_pass=max(step, self.frames_per_pass // step * step),
        )
        if not len(table):
            afterwards = "resume=RUN_FOLDER then tests the recognizer that is trained."
            raise nothing_readable("test videos", table.broken, afterwards=afterwards)
        return table

    def _tell_broken(self, table: FeatureTable) -> None:
        if table.broken:
            logger.warning(
                "%d of %d test videos could not be read and are left out of the accuracies (predictions.csv lists them), first: %s",
                len(table.broken),
                len(table.broken) + len(table),
                table.broken[0].path,
            )

    def applies(self, trainer: Any) -> bool:
        """True if the run is evaluated after its last step."""
        return self.enabled and trainer.datamodule.has_test and not trainer.fast_dev_run
