"""Which checkpoints a run keeps: the last two, and the best."""

from __future__ import annotations

import errno
import logging
import math
import time
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint

from vclr_pl.callback.agreement import agreed, refuse_broken_loss
from vclr_pl.callback.checkpoint_writing import PREVIOUS, AtomicCheckpointIO
from vclr_pl.callback.fresh_metrics import FreshMetrics
from vclr_pl.files import usable
from vclr_pl.op.collective import largest_over_ranks

__all__ = ["AtomicCheckpointIO", "BestCheckpoint", "LastCheckpoint", "usable"]

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


@runtime_checkable
class ReadsAfterEpochs(Protocol):
    """A callback that reads videos after some epochs. A stop ends this at the next video."""

    def reads_after(self, trainer: lightning.Trainer) -> bool:
        """True if it reads after the present epoch; the same on all ranks."""


STEPS_BETWEEN_AGREEMENTS = 16  # of several ranks on a checkpoint by time


class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt` after epochs, before videos are read after an epoch, and by time; keeps the one before as `previous.ckpt`.

    A thread writes while training continues. The first epoch and the last always have a checkpoint; the run waits for that of the last.
    Rank 0 decides by its clock, and all ranks save together.

    Args:
        folder: folder of the checkpoints.
        pause_seconds: after an epoch that ends sooner than this after the last checkpoint, none is written.
        every_seconds: within an epoch, a checkpoint is written this long after the last one. None writes after epochs only.
    """

    def __init__(self, *, folder: str, pause_seconds: float = 0.0, every_seconds: float | None = 600.0) -> None:
        self.path, self.previous_path = Path(folder) / "last.ckpt", Path(folder) / "previous.ckpt"
        self.pause_seconds, self.every_seconds = pause_seconds, every_seconds
        self._written: float | None = None  # when
        self.saved_step = 0  # with which the run would continue
        self._started = time.perf_counter()

    @property
    def state_key(self) -> str:
        """That of 0.1.0, so that its checkpoints are known."""
        triggers = {"monitor": None, "mode": "min", "every_n_train_steps": 0, "every_n_epochs": 1, "train_time_interval": None}
        return f"{type(self).__qualname__}{triggers}"

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:  # noqa: ARG002
        if not isinstance(trainer.strategy.checkpoint_io, AtomicCheckpointIO):
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()

    def save(self, trainer: lightning.Trainer) -> bool:
        """Write `last.ckpt` now and wait until it is whole; all ranks together, at the end of an optimizer step or epoch.

        Elsewhere within an epoch the run would continue from it without some gradients or videos: `resumes_here`.

        Returns:
            True if the file is whole, on all ranks. The reason why it is not is a warning.

        Raises:
            InputError: the loss is not finite.
        """
        self._write(trainer)
        failure = self._io(trainer).wait()
        return not self._first(trainer, failure is not None)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._started, self.saved_step = time.perf_counter(), trainer.global_step

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        del pl_module, outputs, batch
        if not resumes_here(trainer) or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        if trainer.is_last_batch:
            if any(callback.reads_after(trainer) for callback in trainer.callbacks if isinstance(callback, ReadsAfterEpochs)):  # type: ignore[attr-defined]
                self._write(trainer)
            return
        if self.every_seconds is None:
            return
        if trainer.world_size > 1 and (batch_idx + 1) // int(trainer.accumulate_grad_batches) % STEPS_BETWEEN_AGREEMENTS:
            return
        since = self._started if self._written is None else self._written
        due = time.perf_counter() - since >= self.every_seconds and not self._io(trainer).is_writing
        if agreed(trainer, flag=due and trainer.is_global_zero):
            self._write(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """
        Raises:
            OSError: on all ranks, when the last checkpoint of the run cannot be written.
        """
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        is_last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs or trainer.global_step == trainer.max_steps
        elapsed = math.inf if self._written is None else time.perf_counter() - self._written
        if is_last and not self.save(trainer):
            raise self._io(trainer).wait() or OSError(errno.EIO, "rank 0 cannot write it", str(self.path))
        if not is_last and self._first(trainer, elapsed >= self.pause_seconds):
            self._write(trainer)

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        if trainer.is_global_zero and isinstance(trainer.strategy.checkpoint_io, AtomicCheckpointIO):
            self._io(trainer).wait()
        if trainer.is_global_zero and self.path.is_file():
            logger.info("interrupted; resume=%s continues from there", self.path)

    def _write(self, trainer: lightning.Trainer) -> None:
        refuse_broken_loss(trainer, {name: float(value) for name, value in trainer.callback_metrics.items()})
        trainer.save_checkpoint(self.path, weights_only=False, storage_options={PREVIOUS: self.previous_path})
        self._written, self.saved_step = time.perf_counter(), trainer.global_step

    @staticmethod
    def _first(trainer: lightning.Trainer, flag: bool) -> bool:
        """The flag of rank 0, on all ranks."""
        return bool(largest_over_ranks([float(flag and trainer.is_global_zero)], device=trainer.strategy.root_device)[0])

    @staticmethod
    def _io(trainer: lightning.Trainer) -> AtomicCheckpointIO:
        io = trainer.strategy.checkpoint_io
        assert isinstance(io, AtomicCheckpointIO)
        return io


def resumes_here(trainer: Any) -> bool:
    """True if no gradient of an earlier batch waits for an optimizer step, and the loader can continue inside an epoch."""
    return not trainer.fit_loop._should_accumulate() and resumes_inside_epochs(trainer)


def resumes_inside_epochs(trainer: Any) -> bool:
    """True if the loader has a state, so that a run can continue inside an epoch."""
    return hasattr(trainer.train_dataloader, "load_state_dict")
