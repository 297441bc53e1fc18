"""What a run observes of its training, for the summary at its end."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch

from vclr_pl.callback.monitor import ACCURACY, CollapseMonitor
from vclr_pl.callback.progress import BATCH, POSITIVE
from vclr_pl.op.contrast import rank_me
from vclr_pl.report.plan import clock
from vclr_pl.report.run_summary import READINGS, Evidence, Term


class RunSummary(lightning.Callback):
    """Keeps the first and last readings of each term, and computes RankMe of the queues at the end.

    Args:
        every_n_steps: steps between two readings: reading a number from a GPU waits for it.
    """

    def __init__(self, *, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps
        self.first: list[dict[str, float]] = []
        self.last: list[dict[str, float]] = []
        self.rank: dict[str, float] = {}
        self.steps = self.batch = 0
        self.seconds = self.waited_seconds = 0.0
        self._started = time.perf_counter()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self._started = time.perf_counter()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del pl_module, outputs, batch_idx
        interval = min(self.every_n_steps, trainer.log_every_n_steps)  # type: ignore[attr-defined]
        if trainer.global_step % interval and not trainer.is_last_batch:
            return
        self.batch = len(batch)
        values = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
        if len(self.first) < READINGS:
            self.first.append(values)
        self.last = [*self.last[1 - READINGS :], values]

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.steps, self.seconds = trainer.global_step, time.perf_counter() - self._started
        self.waited_seconds = _waited(trainer)
        self.rank = ranks_of_keys(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """The first readings are those of the run's first start."""
        return {"first": self.first, "last": self.last}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.first, self.last = list(state_dict["first"]), list(state_dict.get("last", []))  # 0.1.0 has no last ones

    def evidence(self, trainer: Any, module: Any, *, metrics: Mapping[str, float], baseline: Mapping[str, float], queries: int) -> Evidence:
        """Everything that the verdict depends on."""
        monitor = next((callback for callback in trainer.callbacks if isinstance(callback, CollapseMonitor)), None)
        terms = {name: self._term(name, module) for name in module.objective.terms if f"train/loss_{name}" in self._mean(self.last)}
        return Evidence(
            steps=self.steps,
            grace_steps=0 if monitor is None else monitor.grace_steps,
            batch=self.batch,
            collapsed=[] if monitor is None else [name.removeprefix("train/") for name in monitor.collapsed_terms()],
            terms=terms,
            rank=self.rank,
            metrics=metrics,
            baseline=baseline,
            queries=queries,
        )

    def _term(self, name: str, module: Any) -> Term:
        first, last, term = self._mean(self.first), self._mean(self.last), module.objective.terms[name]
        return Term(
            loss=last[f"train/loss_{name}"],
            guess=guess_loss(term, module),
            positive_similarity=last.get(f"train/{name}{POSITIVE}"),
            batch_similarity=last.get(f"train/{name}{BATCH}"),
            first_accuracy=first.get(f"train/{name}{ACCURACY}"),
            last_accuracy=last.get(f"train/{name}{ACCURACY}"),
        )

    @staticmethod
    def _mean(readings: list[dict[str, float]]) -> dict[str, float]:
        names = readings[-1] if readings else {}
        return {name: sum(values.get(name, math.nan) for values in readings) / len(readings) for name in names}

    def waited_percent(self, trainer: Any) -> float:
        """Share of the training time so far, of this start of the run, in which the network waited for videos."""
        if self.seconds:
            return 100.0 * self.waited_seconds / self.seconds
        return 100.0 * _waited(trainer) / (time.perf_counter() - self._started)

    def cost(self, folder: Path) -> str:
        """Time, memory and disk in words."""
        waited = f", {100.0 * self.waited_seconds / self.seconds:.0f}% of it waiting for videos" if self.seconds else ""
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return f"training took {clock(self.seconds)}{waited}; {_memory()}; {disk / 1e6:.0f} MB in {folder}"


def ranks_of_keys(trainer: Any, module: Any) -> dict[str, float]:
    """RankMe of the keys in each queue; without queues that hold too few keys."""
    keys_per_video = module.keys_per_video(segments=trainer.datamodule.segments)
    ranks = {}
    for name in module.queues:
        queue = module.queue_of(name)
        filled = min(queue.length, trainer.global_step * module.length.global_batch_size * keys_per_video[name])
        if filled >= 2 * queue.rows.shape[1]:  # of fewer keys the rank is that of their number
            ranks[name] = rank_me(queue.rows[:filled])
    return ranks


def guess_loss(term: Any, module: Any) -> float | None:
    """The loss of a random guess: log(1 + K) for a term with a queue of K keys; None where a term declares none."""
    queue = term.needs.queue
    guess: float | None = getattr(term, "guess_loss", None) if queue is None else math.log1p(module.queue_of(queue).length)
    return guess


def guess_losses(module: Any) -> dict[str, float]:
    """The loss of a random guess by term, and under an empty name their weighted sum, if every term declares one."""
    terms = module.objective.terms
    found = {name: guess for name, term in terms.items() if (guess := guess_loss(term, module)) is not None}
    return {**found, "": sum(float(terms[name].weight) * guess for name, guess in found.items())} if len(found) == len(terms) else found


def _waited(trainer: Any) -> float:
    return float(getattr(trainer.train_dataloader, "waiting_seconds", 0.0))


def _memory() -> str:
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB of GPU memory"
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB of memory"
