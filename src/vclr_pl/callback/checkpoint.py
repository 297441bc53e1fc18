"""What is kept to go on from: the last epoch always, and one every n epochs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import ModelCheckpoint

logger = logging.getLogger(__name__)


class LastCheckpoint(ModelCheckpoint):
    """`last.ckpt`, replaced after every epoch; says how to go on from it when a run is interrupted.

    Args:
        folder: of the checkpoints.
    """

    def __init__(self, *, folder: str) -> None:
        super().__init__(
            dirpath=folder, filename="last", every_n_epochs=1, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False
        )

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        path = Path(str(self.dirpath)) / "last.ckpt"
        if trainer.is_global_zero and path.is_file():
            logger.info("interrupted; resume=%s continues after the last whole epoch", path)


class PeriodicCheckpoint(ModelCheckpoint):
    """`epoch_0019.ckpt` (epochs are counted from 0) and so on, none of them removed.

    Args:
        folder: of the checkpoints.
        every_n_epochs: between two of them.
    """

    def __init__(self, *, folder: str, every_n_epochs: int) -> None:
        super().__init__(
            dirpath=folder,
            filename="epoch_{epoch:04d}",
            auto_insert_metric_name=False,
            every_n_epochs=every_n_epochs,
            save_top_k=-1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
