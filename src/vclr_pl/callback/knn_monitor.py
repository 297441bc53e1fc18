"""Online kNN: is the encoder getting better at what nobody trains it for?"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.feature_reading import Measure, agree_on_statistics, measure_encoder
from vclr_pl.evaluation.feature_extraction import refuse_unknown_precision


class KnnMonitor(lightning.Callback):
    """Logs `val/knn_top1` every n epochs, the last aside, which the evaluation follows; silent where the data has no labels.

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

    def _is_due(self, trainer: Any) -> bool:
        epoch = trainer.current_epoch + 1
        is_last = trainer.max_epochs is not None and epoch == trainer.max_epochs
        due = self.every_n_epochs > 0 and epoch % self.every_n_epochs == 0 and not is_last
        return due and trainer.datamodule.labeled and not trainer.fast_dev_run
