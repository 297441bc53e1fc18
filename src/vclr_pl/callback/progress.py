"""Progress lines of training, of files, and of videos."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import pytorch_lightning as lightning
import rich
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from vclr_pl.callback.expected_time import StepClock, seconds_left, skipped_steps
from vclr_pl.report.plan import clock, end_of_day, time_words

logger = logging.getLogger(__name__)

LOSS = "train/loss"
POSITIVE, BATCH = "_positive_similarity", "_batch_similarity"
FILE_ONLY = "file_only"  # attribute of a log record that the console leaves out


class RunProgress(lightning.Callback):
    """Shows epoch, steps, the total loss and its terms, learning rate, videos per second, share of time waiting for data, time left
    and the number of broken videos; after a few steps, the expected time of the run. Of several processes only the first prints.

    Args:
        every_n_steps: reading a number from a GPU waits for it, so it is done this seldom.
        lines_without_terminal: number of lines of a complete run in the log, and on the console if it is not a terminal.
    """

    def __init__(self, *, every_n_steps: int, lines_without_terminal: int) -> None:
        self.every_n_steps, self.lines_without_terminal = every_n_steps, lines_without_terminal
        self.console = rich.get_console()
        self.live: Live | None = None
        self.figures = Text()
        self.first_step = 0
        self.last_step = -1
        self.clock = StepClock(skipped_steps=0)
        self.is_time_told = False
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=self.console
        )

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self.first_step = self.last_step = trainer.global_step
        loop = trainer.fit_loop
        total = trainer.global_step + steps_left(trainer, batch_idx=loop.epoch_loop.batch_idx if loop.restarted_mid_epoch else -1)
        self.clock = StepClock(skipped_steps=skipped_steps(trainer.datamodule, total=total))  # type: ignore[attr-defined]
        if not (trainer.is_global_zero and self.console.is_terminal):
            return
        self.bar.add_task("epoch", total=None, completed=trainer.global_step)
        self.live = Live(Group(self.bar, self.figures), console=self.console, refresh_per_second=4, transient=True)
        self.live.start()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del pl_module, outputs, batch
        if not trainer.is_global_zero:
            return
        step, total = trainer.global_step, trainer.global_step + steps_left(trainer, batch_idx=batch_idx)
        if step == self.last_step:  # a batch that is only accumulated
            return
        self.last_step = step
        self.clock.step(waited=float(getattr(trainer.train_dataloader, "waiting_seconds", 0.0)))
        if self.live is not None:
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self.bar.update(self.bar.task_ids[0], total=total, completed=step, description=epoch)
            if step % self.every_n_steps == 0 or step == self.first_step + 1:
                self.figures.plain = figures_line(trainer)
        if is_due(step=step, total=total, lines=self.lines_without_terminal, first=self.first_step + 1):
            for_file = {FILE_ONLY: self.live is not None}
            logger.info("step %d/%d  %s%s", step, total, figures_line(trainer), self._left(trainer, steps=total - step), extra=for_file)
        if not self.is_time_told and (self.clock.is_measured or (self.clock.steps > 1 and step >= total // 2)) and step < total:
            self.is_time_told = True
            seconds = seconds_left(self.clock, trainer, steps=total - step)
            logger.info("time: %s", time_words(seconds=seconds, waiting=self.clock.waiting_share))

    def _left(self, trainer: lightning.Trainer, *, steps: int) -> str:
        seconds = seconds_left(self.clock, trainer, steps=steps)
        return f"  left {clock(seconds)}, until {end_of_day(seconds)}"

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self.clock.resume()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self.clock.pause()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._stop()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self._stop()

    def _stop(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None


def steps_left(trainer: Any, *, batch_idx: int) -> int:
    """Optimizer steps after batch `batch_idx` of the present epoch. Steps of an earlier start may have been of another batch size."""
    steps_per_epoch, in_epoch = (
        math.ceil(batches / int(trainer.accumulate_grad_batches)) for batches in (int(trainer.num_training_batches), batch_idx + 1)
    )
    epochs = trainer.max_epochs if trainer.max_epochs not in (None, -1) else math.inf
    bounds = [(epochs - trainer.current_epoch) * steps_per_epoch - in_epoch]
    bounds += [int(trainer.max_steps) - trainer.global_step] if trainer.max_steps not in (None, -1) else []
    return int(min(bounds))


def is_due(*, step: int, total: int, lines: int, first: int) -> bool:
    """Whether a line is written after `step` of `total`: after the first, the last, and evenly between."""
    return step in (first, total) or step % max(1, total // max(1, lines)) == 0


def figures_line(trainer: Any) -> str:
    """The newest figures as words, terms in the objective's order."""
    values: Mapping[str, Any] = trainer.callback_metrics
    prefix = f"{LOSS}_"
    parts = [f"loss {float(values[LOSS]):.3f}"] if LOSS in values else []
    parts += [f"{name.removeprefix(prefix)} {float(value):.3f}" for name, value in values.items() if name.startswith(prefix)]
    for term in [
        name.removesuffix(POSITIVE) for name in values if name.endswith(POSITIVE) and name.removesuffix(POSITIVE) + BATCH in values
    ]:
        parts.append(f"gap {term.removeprefix('train/')} {float(values[term + POSITIVE]) - float(values[term + BATCH]):.2f}")
    for name, shown, pattern in (
        ("train/top1", "top-1", "{:.0f}%"),
        ("train/lr", "lr", "{:.2e}"),
        ("train/videos_per_second", "videos/s", "{:.0f}"),
        ("train/data_wait_percent", "waiting for data", "{:.0f}%"),
        ("val/knn_top1", "kNN", "{:.1f}"),
        ("val/copy_top1", "copies", "{:.1f}"),
        ("val/top1", "test top-1", "{:.1f}"),
    ):
        if name in values:
            parts.append(f"{shown} {pattern.format(float(values[name]))}")
    broken = len(getattr(trainer.datamodule, "broken_videos", ()))
    return "  ".join([*parts, f"broken {broken}"])


FILE_LINES_WITHOUT_TERMINAL = 20

Row = TypeVar("Row")


def watched(rows: Iterable[Row], *, total: int, doing: str, is_bad: Callable[[Row], bool], bad: str, unit: str = "files") -> Iterator[Row]:
    """The same rows, while they are counted on the terminal.

    Args:
        total: how many will come.
        doing: what is done with them, as `reading`.
        is_bad: which of them are counted apart, under the word `bad`.
        unit: what a row is.
    """
    console, started, failed = rich.get_console(), time.perf_counter(), 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total, failed="")
        for done, row in enumerate(rows, 1):
            failed += is_bad(row)
            bar.update(task, completed=done, failed=f"{bad} {failed}")
            if not console.is_terminal and is_due(step=done, total=total, lines=FILE_LINES_WITHOUT_TERMINAL, first=1):
                seconds = time.perf_counter() - started
                left = clock(seconds / done * (total - done))
                line = f"{doing} {done}/{total} {unit}  {unit}/s {done / seconds:.1f}  {bad} {failed}  left {left}"
                console.print(line, soft_wrap=True, highlight=False)
            yield row


LINES_WITHOUT_TERMINAL = 10


class ReadingProgress(lightning.Callback):
    """Shows videos done, speed and time left. Of several processes only the first prints, for its own share."""

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
