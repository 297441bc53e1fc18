"""An error of one rank alone, at the same place every time."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytorch_lightning as lightning


class FailingRank(lightning.Callback):
    """At the batch `batch` of the run: `raise` an error on `rank`, `kill` it, or `stop` it by SIGTERM.

    `warn` sends SIGUSR1 before the start is evaluated.
    """

    def __init__(self, *, rank: int, batch: int, how: str) -> None:
        self.rank, self.batch, self.how = rank, batch, how

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.global_rank == self.rank and self.how == "warn":
            os.kill(os.getpid(), signal.SIGUSR1)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_rank != self.rank or self.how == "warn" or trainer.fit_loop.epoch_loop.total_batch_idx != self.batch:
            return
        if self.how == "raise":
            raise ValueError("private")
        os.kill(os.getpid(), signal.SIGKILL if self.how == "kill" else signal.SIGTERM)


def failing(how: str, *, rank: int = 1, batch: int = 2) -> str:
    """The option of a command."""
    return f"+callback.failing={{_target_: tests.integration.failing_rank.FailingRank, rank: {rank}, batch: {batch}, how: {how}}}"
