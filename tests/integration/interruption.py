"""A user's Ctrl-C, at the same place every time."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as lightning


class Interruption(lightning.Callback):
    """Interrupts before the first batch of epoch `epoch`, counted from 0."""

    def __init__(self, *, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt
