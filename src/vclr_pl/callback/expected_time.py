"""The time that a run still needs: steps, pauses between epochs, and evaluations."""

from __future__ import annotations

import statistics
import time
from typing import Any

from vclr_pl.callback.encoder_monitor import EncoderMonitor
from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.callback.recognition import RecognitionEvaluation

LEAST_STEPS, ENOUGH_SECONDS = 5, 5.0  # of a measurement
PAUSES_KEPT = 100


class StepClock:
    """Measures the steps of a run. The pauses between epochs, in which checkpoints are written and monitors read, are measured apart.

    The first steps are left out once later ones are measured: they include the start of the workers, and the batches that these
    prepare meanwhile.

    Args:
        skipped_steps: number of steps left out.
    """

    def __init__(self, *, skipped_steps: int) -> None:
        self.skipped_steps = skipped_steps
        self.steps, self.seconds, self.waited = 0, 0.0, 0.0
        self.pauses: list[float] = []
        self._seen, self._last, self._waited_before = 0, time.perf_counter(), 0.0
        self._paused: float | None = None

    def step(self, *, waited: float) -> None:
        """Count a step. `waited`: seconds that the loader has waited for videos since the start."""
        now = time.perf_counter()
        self._seen += 1
        if self._seen == self.skipped_steps + 1:  # what is measured so far stands only until the first step that counts
            self.steps, self.seconds, self.waited = 0, 0.0, 0.0
        self.steps += 1
        self.seconds += now - self._last
        self.waited += waited - self._waited_before
        self._last, self._waited_before = now, waited

    def pause(self) -> None:
        """Stop measuring steps at the end of an epoch."""
        self._paused = time.perf_counter()

    def resume(self) -> None:
        """Continue at the start of the next epoch."""
        if self._paused is None:
            return
        now = time.perf_counter()
        self.pauses = [*self.pauses[1 - PAUSES_KEPT :], now - self._paused]
        self._last += now - self._paused
        self._paused = None

    @property
    def is_measured(self) -> bool:
        """True if the measurement includes enough steps and seconds."""
        return self._seen >= self.skipped_steps + LEAST_STEPS and self.seconds >= ENOUGH_SECONDS

    @property
    def seconds_per_step(self) -> float:
        return self.seconds / max(1, self.steps)

    @property
    def waiting_share(self) -> float:
        """Share of the measured time in which the network waited for videos."""
        return min(1.0, self.waited / self.seconds) if self.seconds else 0.0

    def seconds_left(self, *, steps: int, epochs: int, readings: int, reading_seconds: float) -> float:
        """Time for so many steps, pauses after epochs, and evaluations between and after them. An evaluation is part of its pause."""
        pause = statistics.median(self.pauses) if self.pauses else 0.0
        return steps * self.seconds_per_step + epochs * pause + readings * max(0.0, reading_seconds - pause)


def skipped_steps(data: Any, *, total: int) -> int:
    """The first step and the batches that workers prepare during it; at most a tenth of the run."""
    loader = getattr(data, "loader", None)
    prepared = 0 if loader is None else data.workers * loader.prefetch_batches
    return max(1, min(1 + prepared, total // 10))


def seconds_left(clock: StepClock, trainer: Any, *, steps: int) -> float:
    """Time that the run of `trainer` needs for `steps` more steps and the evaluations."""
    per_epoch = max(1, -(-int(trainer.num_training_batches) // int(trainer.accumulate_grad_batches)))
    readings, seconds = evaluations_left(trainer, epochs=trainer.current_epoch + steps // per_epoch)
    return clock.seconds_left(steps=steps, epochs=steps // per_epoch, readings=readings, reading_seconds=seconds)


def evaluations_left(trainer: Any, *, epochs: int) -> tuple[int, float]:
    """Number of evaluations after the present epoch of a run of so many, and the seconds of one; 0 before the first."""
    readings, known = 0, [0.0]
    for callback in getattr(trainer, "callbacks", ()):
        if isinstance(callback, EncoderMonitor):
            readings += callback.readings(trainer, epochs=epochs) - callback.readings(trainer, epochs=trainer.current_epoch)
        elif isinstance(callback, EncoderEvaluation | RecognitionEvaluation):
            readings += int(callback.applies(trainer))
            known += [callback.timings_seconds[name] for name in ("baseline_evaluation",) if name in callback.timings_seconds]
    return readings, known[-1]
