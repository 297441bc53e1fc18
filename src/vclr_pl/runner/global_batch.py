"""The videos of an optimizer step, on any number of devices: kept by accumulating batches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from omegaconf import DictConfig

from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

GLOBAL_BATCH = "global_batch"  # key in checkpoints


OPTION, BATCHES = "loader.global_batch_size", ("loader.batch_size", "trainer.accumulate_grad_batches")


def prefer_given_batches(config: DictConfig, *, given: Sequence[str]) -> None:
    """Drop the global batch of an experiment, in place, where the user gives the batches that it would be made of, but not itself.

    Args:
        given: keys on the command line.
    """
    wanted, chosen = config.loader.get("global_batch_size"), [key for key in BATCHES if key in given]
    if wanted is None or not chosen or OPTION in given:
        return
    reason = f"{' and '.join(chosen)} {'is' if len(chosen) == 1 else 'are'} given"
    logger.info("the %d videos a step of the experiment are not kept: %s. %s=%d keeps them.", wanted, reason, OPTION, wanted)
    config.loader.global_batch_size = None


class GlobalBatch(lightning.Callback):
    """Chooses the accumulated batches, and writes the videos of a step, with the options and devices that they come from, into each
    checkpoint."""

    def __init__(self, *, trainer: lightning.Trainer, data: Any) -> None:
        self.given = {"batch_size": int(data.batch_size), "accumulated": int(trainer.accumulate_grad_batches)}
        self.wanted: int | None = data.loader.global_batch_size

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        videos = self.given["batch_size"] * trainer.world_size * trainer.accumulate_grad_batches
        checkpoint[GLOBAL_BATCH] = {**self.given, "videos": videos, "devices": trainer.world_size, "wanted": self.wanted}

    def settle(self, trainer: lightning.Trainer, *, checkpoint: Path | None) -> None:
        """Set the accumulated batches of the trainer: for the videos of a step of the checkpoint, else for `loader.global_batch_size`.

        Raises:
            InputError: the devices cannot take equal shares of the checkpoint's videos.
        """
        if self.wanted is not None:
            self._accumulate(trainer, self.wanted)
        if checkpoint is not None:
            self._keep(trainer, checkpoint)

    def _accumulate(self, trainer: lightning.Trainer, wanted: int) -> None:
        """As many batches as make about `wanted` videos, at least one. The learning rate is scaled to the videos of a step."""
        batch_size, devices = self.given["batch_size"], trainer.world_size
        batches = max(1, round(wanted / (batch_size * devices)))
        if trainer.is_global_zero and trainer.accumulate_grad_batches not in (1, batches):
            logger.warning("trainer.accumulate_grad_batches=%d gives way to %s", trainer.accumulate_grad_batches, OPTION)
        trainer.accumulate_grad_batches = batches
        if not trainer.is_global_zero:
            return
        videos = batch_size * devices * batches
        plural = "" if devices == 1 else "s"
        made_of = f"{devices} device{plural} x {batch_size} videos" + (f" x {batches} accumulated batches" if batches > 1 else "")
        if videos == wanted:
            logger.info("%d videos a step: %s (%s)", videos, made_of, OPTION)
        else:
            told = f"{videos} videos a step, not the {wanted} of {OPTION}: {made_of}. The learning rate is scaled to {videos} videos."
            logger.warning("%s %s", told, _remedy(wanted, batch_size=batch_size, devices=devices))

    def _keep(self, trainer: lightning.Trainer, checkpoint: Path) -> None:
        """Accumulate as many batches as make the videos of a step those of the checkpoint, unless the user changed the options."""
        stored: Mapping[str, int] | None = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True).get(GLOBAL_BATCH)
        if stored is None or {name: stored[name] for name in self.given} != self.given:  # of 0.1.0, or changed by the user
            return
        if stored.get("wanted", self.wanted) != self.wanted:
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


def _remedy(wanted: int, *, batch_size: int, devices: int) -> str:
    """What makes a step have `wanted` videos exactly: smaller batches, or fewer devices."""
    if wanted % devices == 0:
        share = wanted // devices
        fitting = next(size for size in range(min(batch_size, share), 0, -1) if share % size == 0)
        return f"For {wanted} set loader.batch_size={fitting} {OPTION}={wanted}."
    fewer = next(count for count in range(devices - 1, 0, -1) if wanted % (count * batch_size) == 0 or count == 1)
    return f"For {wanted} use {fewer} device{'' if fewer == 1 else 's'}, for instance trainer.devices={fewer}."
