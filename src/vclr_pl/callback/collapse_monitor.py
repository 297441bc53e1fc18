"""The alarm for a run that learns nothing: positives no more alike than strangers, or a loss that is no number.

A collapsing run can show a good loss for long: its embeddings drift, and only the stale queue looks different. What shows it is
the similarity of positives against that of the batch's other videos.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

POSITIVE, BATCH, QUEUE = "_positive_similarity", "_batch_similarity", "_queue_similarity"
KEPT_SHARE = 0.9  # of the running mean of a gap at each reading: single batches scatter


class CollapseMonitor(lightning.Callback):
    """Warns once for each contrastive term whose gap vanishes, and ends the run at a loss that is not finite.

    Args:
        every_n_steps: between two readings.
        minimum_gap: of cosine similarities, positives above the batch's other videos.
        grace_steps: at the start, in which everything looks alike to a fresh network.
    """

    def __init__(self, *, every_n_steps: int, minimum_gap: float, grace_steps: int) -> None:
        self.every_n_steps, self.minimum_gap, self.grace_steps = every_n_steps, minimum_gap, grace_steps
        self.gaps: dict[str, float] = {}
        self.warned: set[str] = set()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """
        Raises:
            InputError: on all ranks together, when the loss of one of them is not finite.
        """
        del pl_module, outputs, batch, batch_idx
        if trainer.global_step % self.every_n_steps == 0 or trainer.global_step == 1:
            values = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
            self.refuse_broken_loss(trainer, values)
            self.observe(values, step=trainer.global_step)

    def refuse_broken_loss(self, trainer: Any, values: dict[str, float]) -> None:
        broken = [name for name, value in values.items() if name.startswith("train/loss") and not math.isfinite(value)]
        if trainer.strategy.reduce_boolean_decision(bool(broken), all=False):
            raise InputError(
                expected="a finite loss",
                got=f"{', '.join(f'{name}={values[name]}' for name in broken) or 'another rank with none'} at step {trainer.global_step}",
                remedy="Lower optimizer.lr, set trainer.gradient_clip_val=1 or trainer.precision=32-true; debug=anomaly names the cause.",
            )

    def observe(self, values: dict[str, float], *, step: int) -> None:
        """Take one reading in, and warn where a term's gap has vanished."""
        for name in [name for name in values if name.endswith(POSITIVE)]:
            term = name.removesuffix(POSITIVE)
            gap = values[name] - values.get(term + BATCH, -1.0)
            self.gaps[term] = KEPT_SHARE * self.gaps.get(term, gap) + (1.0 - KEPT_SHARE) * gap
            if step > self.grace_steps and self.gaps[term] < self.minimum_gap and term not in self.warned:
                self.warned.add(term)
                logger.warning(
                    "collapse? %s at step %d: positives are %.3f alike, the batch's other videos %.3f, the queue %.3f. "
                    "The encoder tells videos apart no more; lower optimizer.lr, or shorten the queues.",
                    term.removeprefix("train/"),
                    step,
                    values[name],
                    values.get(term + BATCH, math.nan),
                    values.get(term + QUEUE, math.nan),
                )

    def state_dict(self) -> dict[str, Any]:
        return {"gaps": self.gaps, "warned": sorted(self.warned)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.gaps, self.warned = dict(state_dict["gaps"]), set(state_dict["warned"])
