"""How far the reading of a collection is: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as lightning
import rich
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vclr_pl.callback.progress import clock, is_due

LINES_WITHOUT_TERMINAL = 10


class ReadingProgress(lightning.Callback):
    """Shows videos done, speed and time left. Of several processes the first one speaks, for its own share."""

    def __init__(self) -> None:
        self.console = rich.get_console()
        self.bar: Progress | None = None
        self.started_seconds = 0.0

    def on_predict_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self.started_seconds = time.perf_counter()
        if trainer.is_global_zero and self.console.is_terminal:
            self.bar = Progress(
                TextColumn("reading videos"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self.bar.add_task("", total=self._total(trainer))
            self.bar.start()

    def on_predict_batch_end(
        self, trainer: Any, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        del pl_module, outputs, dataloader_idx
        if not trainer.is_global_zero:
            return
        total, batches = self._total(trainer), int(sum(trainer.num_predict_batches))
        done = total if batch_idx + 1 == batches else (batch_idx + 1) * len(batch)
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=done)
        elif is_due(step=batch_idx + 1, total=batches, lines=LINES_WITHOUT_TERMINAL, first=1):
            seconds = time.perf_counter() - self.started_seconds
            figures = f"read {done}/{total} videos  videos/s {done / seconds:.1f}  left {clock(seconds / done * (total - done))}"
            self.console.print(figures, soft_wrap=True, highlight=False)

    def on_predict_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._stop()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    @staticmethod
    def _total(trainer: Any) -> int:
        return len(trainer.lightning_module.videos[:: trainer.world_size])
