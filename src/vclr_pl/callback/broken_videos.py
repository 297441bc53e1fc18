"""Which videos could not be read: a file beside the results, and a list at the end."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.types import BrokenVideo
from vclr_pl.whole_file import write_csv

logger = logging.getLogger(__name__)

LISTED = 10


class BrokenVideoList(lightning.Callback):
    """Writes path, backend and reason of every video that was replaced, after each epoch and when the run ends, however it ends.

    Args:
        path: of the CSV file, which is written where there is something to write.
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
            write_csv(self.path, ("path", "backend", "reason"), ((video.path, video.backend, video.reason) for video in broken))
        return broken
