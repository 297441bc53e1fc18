"""The encoder that a run exports and evaluates: that of its last step, or that of its best checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.checkpoint import BestCheckpoint
from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.report.record import RANDOM_INITIALIZATION
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

AUTO = "auto"
ENCODER = "encoder."  # of the names in a checkpoint of pretraining


class BestEncoder(lightning.Callback):
    """Put the encoder of `best.ckpt` into the module after the last step, if the monitor found it better than the last one.

    It precedes export and evaluation. `last.ckpt` keeps the last step, from which a run resumes.

    Args:
        export_best: `auto` for runs that start from loaded weights; true or false for all runs.

    Raises:
        InputError: another value.
    """

    def __init__(self, *, export_best: bool | str) -> None:
        if export_best not in (AUTO, True, False):
            raise InputError(
                expected="callback.best_encoder.export_best to be auto, true or false", got=str(export_best), hint="Set export_best=auto."
            )
        self.export_best = export_best
        self.step: int | None = None  # of the encoder in the module; None before the end
        self.epoch: int | None = None

    def applies(self, trainer: Any) -> bool:
        """True if the run exports its best encoder."""
        if trainer.fast_dev_run:
            return False
        return starts_from_weights(trainer) if self.export_best == AUTO else bool(self.export_best)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.step, self.epoch = trainer.global_step, trainer.current_epoch
        best = next((one for one in trainer.callbacks if isinstance(one, BestCheckpoint)), None)  # type: ignore[attr-defined]
        if best is None or not self.applies(trainer) or not Path(best.best_model_path).is_file():
            return
        checkpoint = trainer.strategy.checkpoint_io.load_checkpoint(best.best_model_path, map_location="cpu")
        if checkpoint["global_step"] == self.step:
            return
        encoder: Any = pl_module.encoder
        state = checkpoint["state_dict"]
        encoder.load_state_dict({name.removeprefix(ENCODER): value for name, value in state.items() if name.startswith(ENCODER)})
        logger.info(
            "the encoder of step %d is exported and evaluated: %s %.1f, at the last step %.1f (%s has the last one)",
            checkpoint["global_step"],
            best.monitor,
            float(best.best_model_score or 0.0),
            float(trainer.callback_metrics.get(str(best.monitor), float("nan"))),
            Path(best.best_model_path).with_name("last.ckpt"),
        )
        self.step, self.epoch = int(checkpoint["global_step"]), int(checkpoint["epoch"]) + 1


def starts_from_weights(trainer: Any) -> bool:
    """True if the run starts from loaded weights."""
    evaluation = next((one for one in trainer.callbacks if isinstance(one, EncoderEvaluation)), None)
    return evaluation is not None and evaluation.baseline_name != RANDOM_INITIALIZATION


def best_encoder_of(trainer: Any) -> BestEncoder | None:
    """The callback; None if it was removed."""
    return next((one for one in trainer.callbacks if isinstance(one, BestEncoder)), None)
