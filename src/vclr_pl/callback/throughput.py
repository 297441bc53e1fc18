"""Videos per second, and how much of the time the device waits for them."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as lightning


class Throughput(lightning.Callback):
    """Logs `train/videos_per_second` over all ranks and `train/data_wait_percent` of this one, over the last n steps.

    The wait is what the loader's `waiting_seconds` counts: time in which the next batch was asked for and not there yet.

    Args:
        every_n_steps: batches of one reading.
    """

    def __init__(self, *, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps
        self._restart(waited=0.0)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._restart(waited=_waited(trainer))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del outputs, batch_idx
        self._batches += 1
        self._videos += len(batch) * trainer.world_size
        if self._batches < self.every_n_steps:
            return
        elapsed = time.perf_counter() - self._started
        waited = _waited(trainer)
        pl_module.log_dict(
            {
                "train/videos_per_second": self._videos / elapsed,
                "train/data_wait_percent": min(100.0, 100.0 * (waited - self._waited_before) / elapsed),
            },
            batch_size=len(batch),
        )
        self._restart(waited=waited)

    def _restart(self, *, waited: float) -> None:
        self._started, self._waited_before = time.perf_counter(), waited
        self._batches = self._videos = 0


def _waited(trainer: Any) -> float:
    return float(getattr(trainer.train_dataloader, "waiting_seconds", 0.0))
