"""Checkpoints, written atomically.

Lightning writes into the system's temporary folder and moves the file. Where that is another file system, as on most clusters, moving
is copying, and a run killed meanwhile leaves half a `last.ckpt` in place of the good one.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint

from vclr_pl.files import whole_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to the disk, then replaces the target in one step."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None) -> None:
        """
        Raises:
            TypeError: when storage options are given: this writes to local disks.
        """
        if storage_options is not None:
            raise TypeError("AtomicCheckpointIO takes no storage options: it writes to local disks")
        with whole_file(Path(path)) as draft, draft.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())


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
