"""The seconds of a run over all its starts."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as lightning

SECONDS = "run_seconds"  # key in checkpoints


class RunClock(lightning.Callback):
    """Writes the seconds of the parts of a run into each checkpoint; a continued run adds those of its earlier starts."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self._fit_started: float | None = None
        self._earlier: dict[str, float] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._fit_started = time.perf_counter()

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        checkpoint[SECONDS] = self.seconds(trainer)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        self._earlier = dict(checkpoint.get(SECONDS, {}))

    def seconds(self, trainer: Any) -> dict[str, float]:
        """By part: `total`, `fit` and the evaluations."""
        now = time.perf_counter()
        parts = {"total": now - self.started}
        if self._fit_started is not None:
            parts["fit"] = now - self._fit_started
        for callback in trainer.callbacks:
            parts |= getattr(callback, "timings_seconds", {})
        return {name: round(parts.get(name, 0.0) + self._earlier.get(name, 0.0), 2) for name in {**self._earlier, **parts}}
