"""How far the reading of untrimmed videos is, counted in whole videos: how many batches they make is not known ahead."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.progress import clock, is_due
from vclr_pl.callback.reading_progress import LINES_WITHOUT_TERMINAL, ReadingProgress


class VideoProgress(ReadingProgress):
    """As ReadingProgress, for modules that count `videos_done`."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0

    def on_predict_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        super().on_predict_start(trainer, pl_module)
        self.told = 0

    def on_predict_batch_end(
        self, trainer: Any, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        del outputs, batch, batch_idx, dataloader_idx
        module: Any = pl_module
        done, total = int(module.videos_done), self._total(trainer)
        if not trainer.is_global_zero or done == self.told:
            return
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=done)
        elif any(is_due(step=step, total=total, lines=LINES_WITHOUT_TERMINAL, first=1) for step in range(self.told + 1, done + 1)):
            seconds = time.perf_counter() - self.started_seconds
            figures = f"read {done}/{total} videos  videos/s {done / seconds:.1f}  left {clock(seconds / done * (total - done))}"
            self.console.print(figures, soft_wrap=True, highlight=False)
        self.told = done
