"""metrics.csv: one file over all starts of a run.

A checkpoint contains the number of rows that the file had. A continued run keeps these rows and repeats the others, so the file has each
row once, in order, as that of a run that was never stopped.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from vclr_pl.files import whole_file

METRICS = "metrics.csv"
STEP = "step"
ROWS = "metrics_rows"  # key in checkpoints


class MetricsFile(Logger):
    """Writes `metrics.csv`: a row for each logged step, with columns sorted by name.

    Args:
        save_dir: folder of the file.
    """

    def __init__(self, *, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir) / METRICS
        self.rows = 0  # in the file and in `_unwritten`
        self._columns: list[str] = []
        self._unwritten: list[dict[str, Any]] = []
        self._last: str | None = None
        self._ahead: str | None = None
        self._is_begun = False

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self.path.parent)

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: config.yaml has them."""

    def continue_from(self, *, step: int, rows: int | None) -> None:
        """Keep the rows that the file had when a checkpoint was written.

        Args:
            step: optimizer steps of the checkpoint.
            rows: that the checkpoint has counted; None for one of 0.1.0, whose file keeps the rows before `step`.
        """
        self._is_begun = True
        if not self.path.is_file():
            return
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            reader = csv.DictReader(file)
            self._columns = list(reader.fieldnames or ())
            kept = list(islice(reader, rows)) if rows is not None else [row for row in reader if _is_before(row, step)]
        self.rows = len(kept)
        self._rewrite(kept)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if rank_zero_only.rank:  # type: ignore[attr-defined]
            return
        row = {**metrics, STEP: self.rows if step is None else step}
        if _written(row) != self._ahead:
            self._unwritten.append(row)
            self.rows += 1
            self._last = _written(row)
        self._ahead = None

    def log_ahead(self, metrics: Mapping[str, float], step: int) -> None:
        """Log what Lightning will log in a moment, and then leave it out."""
        if (row := _written({**metrics, STEP: step})) != self._last:
            self.log_metrics(metrics, step)
        self._ahead = row

    def save(self) -> None:
        if not self._unwritten:
            return
        if not self._is_begun:
            self.path.unlink(missing_ok=True)  # of another run in this folder
            self._is_begun = True
        columns = sorted({*self._columns, *(name for row in self._unwritten for name in row)})
        if columns != self._columns or not self.path.is_file():
            earlier = self._read() if self.path.is_file() else []
            self._columns = columns
            self._rewrite([*earlier, *self._unwritten])
        else:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, fieldnames=columns).writerows(self._unwritten)
        self._unwritten = []

    def finalize(self, status: str) -> None:  # noqa: ARG002
        self.save()

    def _read(self) -> list[dict[str, Any]]:
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        with whole_file(self.path, one_writer=True) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=self._columns)
            writer.writeheader()
            writer.writerows(rows)


def _written(row: Mapping[str, Any]) -> str:
    """Comparable: a NaN differs from itself."""
    return repr(sorted(row.items()))


def _is_before(row: Mapping[str, Any], step: int) -> bool:
    try:
        return int(float(row[STEP])) < step
    except (KeyError, TypeError, ValueError):  # a line that a killed run has left unfinished
        return False


class MetricsRows(lightning.Callback):
    """Writes the number of rows of metrics.csv into each checkpoint, with the row of the step that Lightning logs after it."""

    def __init__(self, file: MetricsFile) -> None:
        self.file = file

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        if (row := _pending(trainer)) is not None:
            self.file.log_ahead(*row)
        self.file.save()
        checkpoint[ROWS] = self.file.rows


def _pending(trainer: Any) -> tuple[dict[str, float], int] | None:
    """What Lightning logs after the callbacks of this step or epoch; None if that is nothing, as between two batches.

    All ranks reduce its values together.
    """
    connector, loop = trainer._logger_connector, trainer.fit_loop.epoch_loop
    epochs, batches = trainer.fit_loop.epoch_progress.current, loop.batch_progress.current
    at_epoch_end = connector._first_loop_iter is None and epochs.completed < epochs.processed
    at_batch_end = batches.completed < batches.processed
    is_logged = at_epoch_end or (at_batch_end and connector.should_update_logs and not trainer.fit_loop._should_accumulate())
    if trainer._results is None or not is_logged:
        return None
    values = connector.metrics["log"]
    if not values:
        return None
    row = {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}
    return {**row, "epoch": trainer.current_epoch}, loop._batches_that_stepped - at_epoch_end
