"""The videos of an optimizer step on another number of devices: kept by accumulating another number of batches."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch

from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

GLOBAL_BATCH = "global_batch"  # key in checkpoints


class GlobalBatch(lightning.Callback):
    """Writes the videos of a step, and the options and devices that they come from, into each checkpoint."""

    def __init__(self, *, trainer: lightning.Trainer, data: Any) -> None:
        self.given = {"batch_size": int(data.batch_size), "accumulated": int(trainer.accumulate_grad_batches)}

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        videos = self.given["batch_size"] * trainer.world_size * trainer.accumulate_grad_batches
        checkpoint[GLOBAL_BATCH] = {**self.given, "videos": videos, "devices": trainer.world_size}

    def keep(self, trainer: lightning.Trainer, checkpoint: Path) -> None:
        """Accumulate as many batches as make the videos of a step those of the checkpoint, unless the user changed the options.

        Raises:
            InputError: the devices cannot take equal shares of them.
        """
        stored: Mapping[str, int] | None = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True).get(GLOBAL_BATCH)
        if stored is None or {name: stored[name] for name in self.given} != self.given:  # of 0.1.0, or changed by the user
            return
        batches, rest = divmod(stored["videos"], self.given["batch_size"] * trainer.world_size)
        if rest:
            wanted = -(-stored["videos"] // trainer.world_size)
            raise InputError(
                expected=f"devices that share {stored['videos']} videos a step, loader.batch_size={self.given['batch_size']} at a time",
                got=f"{trainer.world_size}; the run had {stored['devices']}",
                hint=f"Set loader.batch_size={wanted}, for {wanted * trainer.world_size} videos a step, or use {stored['devices']} again.",
            )
        if batches != trainer.accumulate_grad_batches and trainer.is_global_zero:
            reason = f"{trainer.world_size} x {self.given['batch_size']} videos on as many devices, {stored['devices']} before"
            logger.info("%d accumulated batches keep %d videos a step: %s", batches, stored["videos"], reason)
        trainer.accumulate_grad_batches = batches
