"""Monitors of training: collapse, a loss that is not finite.

A collapsing run can show a good loss for long: its embeddings drift, and only the stale queue looks different. What shows it is
the similarity of positives against that of the batch's other videos, and whether a query finds its own video within the batch.
A small gap alone is not a collapse: the demo's similarities are 0.86 and 0.82, and its top-1 within the batch is still five times as high
as chance does.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.agreement import refuse_broken_loss
from vclr_pl.callback.progress import BATCH, POSITIVE

logger = logging.getLogger(__name__)

QUEUE = "_queue_similarity"
ACCURACY = "_batch_accuracy"
KEPT_SHARE = 0.9  # of a running mean at each reading: single batches scatter


class CollapseMonitor(lightning.Callback):
    """Warns once for each contrastive term whose gap vanishes, and ends the run at a loss that is not finite.

    Args:
        every_n_steps: between two readings.
        minimum_gap: of cosine similarities, positives above the batch's other videos.
        minimum_times_chance: top-1 within the batch, as a multiple of what guessing gets; both have to be missed.
        grace_steps: steps at the start without a warning; a new network gives all videos similar features.
    """

    def __init__(self, *, every_n_steps: int, minimum_gap: float, minimum_times_chance: float, grace_steps: int) -> None:
        self.every_n_steps, self.grace_steps = every_n_steps, grace_steps
        self.minimum_gap, self.minimum_times_chance = minimum_gap, minimum_times_chance
        self.gaps: dict[str, float] = {}
        self.times_chance: dict[str, float] = {}
        self.warned: set[str] = set()
        self.last_step = -1

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """
        Raises:
            InputError: on all ranks together, when the loss of one of them is not finite.
        """
        del pl_module, outputs, batch_idx
        is_due = trainer.global_step % self.every_n_steps == 0 or trainer.global_step == 1
        if (is_due and trainer.global_step != self.last_step) or trainer.is_last_batch:  # the last: before last.ckpt is replaced
            self.last_step = trainer.global_step
            values = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
            refuse_broken_loss(trainer, values)
            self.observe(values, step=trainer.global_step, videos=len(batch))

    def observe(self, values: dict[str, float], *, step: int, videos: int) -> None:
        """Update the running means with the metrics of one batch, and warn once for each collapsed term."""
        for term in [name.removesuffix(POSITIVE) for name in values if name.endswith(POSITIVE)]:
            gap = values[term + POSITIVE] - values.get(term + BATCH, -1.0)
            _follow(self.gaps, term, gap)
            _follow(self.times_chance, term, values.get(term + ACCURACY, math.inf) * videos / 100.0)
            if step > self.grace_steps and self._is_collapsed(term) and term not in self.warned:
                self.warned.add(term)
                self.warn(term, values, step=step)

    def collapsed_terms(self) -> list[str]:
        """The terms whose gap has vanished, at the last reading."""
        return [term for term in self.gaps if self._is_collapsed(term)]

    def _is_collapsed(self, term: str) -> bool:
        return self.gaps[term] < self.minimum_gap and self.times_chance[term] < self.minimum_times_chance

    def warn(self, term: str, values: dict[str, float], *, step: int) -> None:
        queue = values.get(term + QUEUE)  # None for a term without a queue, such as byol
        logger.warning(
            "collapse? %s at step %d: similarity of positives %.3f, of other videos %.3f%s, top-1 within the batch "
            "%.1f%%. Features of different videos are nearly equal; lower optimizer.lr%s.",
            term.removeprefix("train/"),
            step,
            values[term + POSITIVE],
            values.get(term + BATCH, math.nan),
            "" if queue is None else f", of the queue {queue:.3f}",
            values.get(term + ACCURACY, math.nan),
            "" if queue is None else ", or shorten the queues",
        )

    def state_dict(self) -> dict[str, Any]:
        return {"gaps": self.gaps, "times_chance": self.times_chance, "warned": sorted(self.warned), "last_step": self.last_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.gaps, self.times_chance = dict(state_dict["gaps"]), dict(state_dict["times_chance"])
        self.warned = set(state_dict["warned"])
        self.last_step = state_dict.get("last_step", -1)  # 0.1.0 does not keep it


def _follow(means: dict[str, float], term: str, value: float) -> None:
    means[term] = KEPT_SHARE * means.get(term, value) + (1.0 - KEPT_SHARE) * value


class FiniteLoss(lightning.Callback):
    """Ends the run at a loss that is not finite, before `last.ckpt` is replaced.

    Args:
        every_n_steps: between two readings: reading a number from a GPU waits for it.
    """

    def __init__(self, *, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """
        Raises:
            InputError: on all ranks together, when the loss of one of them is not finite.
        """
        del pl_module, outputs, batch
        if (batch_idx + 1) % self.every_n_steps == 0 or batch_idx == 0 or trainer.is_last_batch:
            refuse_broken_loss(trainer, {name: float(value) for name, value in trainer.callback_metrics.items()})
