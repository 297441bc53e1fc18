"""Measures of the encoder during training."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.feature_reading import Measure, agree_on_statistics, measure_encoder
from vclr_pl.evaluation.feature_extraction import refuse_unknown_precision


class EncoderMonitor(lightning.Callback):
    """Log `val/knn_top1` every n epochs, except after the last, which is followed by the evaluation. Skipped if the data has no labels.

    Args:
        measure: of tables `gallery` and `query`.
        every_n_epochs: between two readings; 0 never reads.
        precision, frames_per_pass: as of the evaluation.
    """

    def __init__(self, *, measure: Measure, every_n_epochs: int, precision: str, frames_per_pass: int, unlabeled_videos: int) -> None:
        if every_n_epochs > 0:
            refuse_unknown_precision(precision)
        self.measure, self.every_n_epochs = measure, every_n_epochs
        self.precision, self.frames_per_pass, self.unlabeled_videos = precision, frames_per_pass, unlabeled_videos

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
            unlabeled_videos=self.unlabeled_videos,
        )
        pl_module.log_dict({f"val/{name}": value for name, value in measured.percent.items()}, rank_zero_only=True)

    def readings(self, trainer: Any, *, epochs: int) -> int:
        """Number of readings after complete epochs, in a run of so many."""
        applies = self.every_n_epochs > 0 and trainer.datamodule.labeled and not trainer.fast_dev_run
        return (epochs - (epochs == trainer.max_epochs)) // self.every_n_epochs if applies else 0

    def _is_due(self, trainer: Any) -> bool:
        epoch = trainer.current_epoch + 1
        return self.readings(trainer, epochs=epoch) > self.readings(trainer, epochs=epoch - 1)
