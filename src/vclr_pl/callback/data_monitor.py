"""Loading: waiting time, throughput, and videos that could not be read."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.report.record import add_to_broken_list
from vclr_pl.types import BrokenVideo


class Throughput(lightning.Callback):
    """Logs `train/videos_per_second` over all ranks and `train/data_wait_percent` of this one, over the last n steps.

    The wait is what the loader's `waiting_seconds` counts (`data/waiting.py`): on a CPU the time in which the next batch was asked for and
    not there yet, on a GPU the part of it in which the GPU had nothing to compute. Of a loader that does not count it, none is logged.

    The time between two epochs, in which monitors read and checkpoints are written, does not count.

    Args:
        every_n_steps: optimizer steps of one reading; the logger's own interval, so that it finds them.
    """

    def __init__(self, *, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps
        self._paused = time.perf_counter()
        self._restart(waited=0.0)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self.every_n_steps = min(self.every_n_steps, trainer.log_every_n_steps)  # type: ignore[attr-defined]

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._started += time.perf_counter() - self._paused

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._paused = time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del outputs
        self._videos += len(batch) * trainer.world_size
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if not stepped or trainer.global_step % self.every_n_steps != 0:
            return
        elapsed = time.perf_counter() - self._started
        waited = _waited(trainer)
        found = {"train/videos_per_second": self._videos / elapsed}
        if hasattr(trainer.train_dataloader, "waiting_seconds"):
            found["train/data_wait_percent"] = min(100.0, 100.0 * (waited - self._waited_before) / elapsed)
        pl_module.log_dict(found, batch_size=len(batch))
        self._restart(waited=waited)

    def _restart(self, *, waited: float) -> None:
        self._started, self._waited_before = time.perf_counter(), waited
        self._videos = 0


def _waited(trainer: Any) -> float:
    return float(getattr(trainer.train_dataloader, "waiting_seconds", 0.0))


logger = logging.getLogger(__name__)

LISTED = 10


class BrokenVideoList(lightning.Callback):
    """Write path, decoder and reason of every replaced video, after each epoch and at the end, also after an error.

    Args:
        path: of the CSV file; it is written only if there are broken videos.
    """

    def __init__(self, *, path: str) -> None:
        self.path = Path(path)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._write(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        broken = self._write(trainer)
        if not broken:
            return
        logger.warning("%d broken video(s) were replaced by others, listed in %s:", len(broken), self.path)
        for video in broken[:LISTED]:
            logger.warning("  %s (%s)", video.path, f"{video.backend}: {video.reason}" if video.backend else video.reason)

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self._write(trainer)

    def _write(self, trainer: Any) -> tuple[BrokenVideo, ...]:
        broken: tuple[BrokenVideo, ...] = trainer.datamodule.broken_videos if trainer.is_global_zero else ()
        if broken:
            add_to_broken_list(self.path, broken)
        return broken
