"""Checkpoints, written atomically.

Lightning writes into the system's temporary folder and moves the file. If that is another file system, as on most clusters, the move is a
copy, and a run that is killed during it leaves a truncated `last.ckpt`.
"""

from __future__ import annotations

import logging
import math
import os
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint

from vclr_pl.callback.fresh_metrics import FreshMetrics
from vclr_pl.files import whole_file

# Names of callbacks in checkpoints of 0.1.0, and now: the class, and that the newest two are kept.
RENAMED_CALLBACKS = {
    "BestCheckpoint{'monitor': 'val/knn_top1'": "BestCheckpoint{'monitor': 'val/knn_train_top1'",
    "PeriodicCheckpoint{": "ModelCheckpoint{",
    "ModelCheckpoint{'monitor': None, 'mode': 'min'": "ModelCheckpoint{'monitor': 'epoch', 'mode': 'max'",
}


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a file beside the target, flushes it to disk, then replaces the target in one step."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None) -> None:
        """
        Raises:
            TypeError: storage options are given.
        """
        if storage_options is not None:
            raise TypeError("AtomicCheckpointIO takes no storage options: it writes to local disks")
        with whole_file(Path(path)) as draft, draft.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint. Callbacks of 0.1.0 get the names that they have now, so that their state is restored."""
        checkpoint: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only)
        for old, new in RENAMED_CALLBACKS.items():
            for key in [key for key in checkpoint.get("callbacks", {}) if key.startswith(old)]:
                checkpoint["callbacks"][key.replace(old, new, 1)] = checkpoint["callbacks"].pop(key)
        return checkpoint


logger = logging.getLogger(__name__)


class BestCheckpoint(ModelCheckpoint):
    """Keeps `best.ckpt`, the checkpoint with the highest value of a metric; of equal values the later. Without one, nothing.

    Args:
        folder: folder of the checkpoints.
        monitor: name of the metric, measured at the end of some epochs.
        monitor_without_labels: the metric of data without labels.
    """

    def __init__(self, *, folder: str, monitor: str, monitor_without_labels: str) -> None:
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor=monitor,
            mode="max",
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.monitor_without_labels = monitor_without_labels
        self._fresh = FreshMetrics(prefix="")

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        if not trainer.datamodule.labeled:  # type: ignore[attr-defined]
            self.monitor = self.monitor_without_labels
        super().setup(trainer, pl_module, stage)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.monitor in self._fresh.read(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def check_monitor_top_k(self, trainer: lightning.Trainer, current: torch.Tensor | None = None) -> bool:
        equal = current is not None and self.best_model_score is not None and bool(current == self.best_model_score)
        return super().check_monitor_top_k(trainer, current) or equal

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The state of a checkpoint that was chosen by another metric is left out."""
        if state_dict.get("monitor") == self.monitor:
            super().load_state_dict(state_dict)


class LastCheckpoint(ModelCheckpoint):
    """Writes `last.ckpt` after the first epoch, the last, and those between, and logs how to resume if the run is interrupted.

    Args:
        folder: folder of the checkpoints.
        pause_seconds: after an epoch that ends sooner than this after the last checkpoint, none is written.
    """

    def __init__(self, *, folder: str, pause_seconds: float = 0.0) -> None:
        super().__init__(
            dirpath=folder, filename="last", every_n_epochs=1, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False
        )

        self.pause_seconds = pause_seconds
        self._written: float | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        is_last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs or trainer.global_step == trainer.max_steps
        elapsed = math.inf if self._written is None else time.perf_counter() - self._written
        due = torch.tensor(is_last or elapsed >= self.pause_seconds)
        if trainer.strategy.broadcast(due):  # ranks save together
            super().on_train_epoch_end(trainer, pl_module)
            self._written = time.perf_counter()

    def save(self, trainer: lightning.Trainer) -> None:
        """Write `last.ckpt` now, on all ranks together; it is on the disk when this returns."""
        trainer.save_checkpoint(Path(str(self.dirpath)) / "last.ckpt", weights_only=False)
        self._written = time.perf_counter()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        path = Path(str(self.dirpath)) / "last.ckpt"
        if trainer.is_global_zero and path.is_file():
            logger.info("interrupted; resume=%s continues after the last epoch that it has", path)
