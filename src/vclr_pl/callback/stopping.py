"""Stops training at a step on which all ranks agree (callback/agreement.py), with a checkpoint of that step."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, Protocol, runtime_checkable

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint

from vclr_pl.callback.agreement import agreed
from vclr_pl.callback.checkpoint import LastCheckpoint, resumes_here, resumes_inside_epochs
from vclr_pl.stop import Stopped, stop_requested


@runtime_checkable
class Waits(Protocol):
    """A loader that calls `while_waiting` every moment while a batch is awaited."""

    while_waiting: Callable[[], None]


class Stopping(Checkpoint):
    """Saves `last.ckpt` and raises Stopped after the optimizer step at which the ranks agree.

    One process stops after the step in which the signal came, or while it waits for the next batch. After the last step of a run nothing
    stops it here. A loader without a state cannot continue inside an epoch: the checkpoint of the last epoch stays.
    A Checkpoint, so that Lightning calls it after all other callbacks.

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

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        loader = trainer.train_dataloader
        if trainer.world_size == 1 and isinstance(loader, Waits):  # one rank alone cannot stop: the others wait for it in a step
            loader.while_waiting = partial(self._stop_between_steps, trainer)

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
        if trainer.is_last_batch and (self._ends(trainer) or not resumes_inside_epochs(trainer)):
            return
        trainer._logger_connector.update_train_step_metrics()  # Lightning logs a step after this hook
        self._save_and_stop(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """
        Raises:
            Stopped: the ranks agreed at the last batch of a loader without a state; the epoch gets a checkpoint if it has none.
        """
        if self._signal and not self._ends(trainer):
            for callback in self._unsaved(trainer):
                callback.save(trainer)
            raise Stopped(self._signal, agreed=True)

    def _stop_between_steps(self, trainer: lightning.Trainer) -> None:
        """Called while the next batch is awaited. Within a step of several batches the run waits on: no checkpoint has their gradients."""
        self._signal = stop_requested() or 0
        if not self._signal or not resumes_here(trainer):
            return
        if trainer.fit_loop.epoch_loop.batch_progress.current.completed:
            self._save_and_stop(trainer)
        if not self._unsaved(trainer):
            raise Stopped(self._signal, agreed=True)  # before the first batch of an epoch: the one before has its checkpoint

    def _save_and_stop(self, trainer: lightning.Trainer) -> NoReturn:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, LastCheckpoint) and resumes_inside_epochs(trainer):
                callback.save(trainer)
        raise Stopped(self._signal, agreed=True)

    @staticmethod
    def _unsaved(trainer: lightning.Trainer) -> list[LastCheckpoint]:
        """Those whose newest checkpoint is of an earlier step."""
        last = [callback for callback in trainer.callbacks if isinstance(callback, LastCheckpoint)]  # type: ignore[attr-defined]
        return [callback for callback in last if callback.saved_step != trainer.global_step]

    @staticmethod
    def _ends(trainer: lightning.Trainer) -> bool:
        """True in the last epoch of the run."""
        return trainer.current_epoch + 1 == trainer.max_epochs or trainer.global_step == trainer.max_steps
