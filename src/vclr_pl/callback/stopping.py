"""Stops training at a step on which all ranks agree (callback/agreement.py), with a checkpoint of that step."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint

from vclr_pl.callback.agreement import agreed
from vclr_pl.callback.checkpoint import LastCheckpoint
from vclr_pl.stop import Stopped, stop_requested


class Stopping(Checkpoint):
    """Saves `last.ckpt` and raises Stopped after the optimizer step at which the ranks agree; at the end of an epoch, after it.

    Of a loader without a state, which cannot continue inside an epoch, the checkpoint of the last epoch stays.
    One process stops after the step in which the signal came. A Checkpoint, so that Lightning calls it after all other callbacks.

    Args:
        every_n_steps: most batches between two agreements.
        every_seconds: about the longest time between two agreements of slow steps.
    """

    def __init__(self, *, every_n_steps: int, every_seconds: float) -> None:
        self.every_n_steps, self.every_seconds = every_n_steps, every_seconds
        self._signal = 0  # agreed
        self._until_next, self._batches, self._started = every_n_steps, 0, time.perf_counter()
        self._agreed_now = False  # after this batch

    def seconds_per_batch(self) -> float:
        """Since the last agreement, on this rank; called at the end of a batch."""
        return (time.perf_counter() - self._started) / (self._batches + 1)

    def agree(self, *, signal: int, seconds_per_batch: float) -> None:
        """Take over what the ranks have agreed on: the signal, 0 for none, and the slowest rank's time."""
        self._signal = signal
        self._until_next = max(1, min(self.every_n_steps, int(self.every_seconds / max(seconds_per_batch, 1e-9))))
        self._agreed_now = True

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._batches, self._started = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """
        Raises:
            Stopped: on all ranks after the same step.
        """
        del pl_module, outputs, batch
        if trainer.world_size == 1:
            self._signal = stop_requested() or 0
        elif self._batches + 1 >= self._until_next and not self._agreed_now:
            agreed(trainer, flag=False)
        self._batches += 1
        if self._agreed_now:
            self._batches, self._started, self._agreed_now = 0, time.perf_counter(), False
        is_step = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if not self._signal or not (is_step or trainer.is_last_batch):
            return
        if not trainer.is_last_batch:
            trainer._logger_connector.update_train_step_metrics()  # Lightning logs a step after this hook
        resumes_inside_epochs = hasattr(trainer.train_dataloader, "load_state_dict")
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, LastCheckpoint) and resumes_inside_epochs:
                callback.save(trainer)
        if not trainer.is_last_batch:
            raise Stopped(self._signal, agreed=True)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """
        Raises:
            Stopped: the ranks agreed at the last batch; the other callbacks of the epoch's end have done their work.
        """
        if self._signal and trainer.current_epoch + 1 != trainer.max_epochs:
            raise Stopped(self._signal, agreed=True)
