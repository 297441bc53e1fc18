"""From a composed config to what reads collections of videos with a frozen encoder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.runner.build import write_config
from vclr_pl.runner.machine import refuse_absent_gpu
from vclr_pl.runner.trainer import make_trainer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """What `evaluate`, `embed` and `retrieve` share."""

    encoder: Any
    embedder: Any
    trainer: lightning.Trainer
    folder: Path

    @property
    def speaks(self) -> bool:
        """Is this the process that evaluates and writes?"""
        return bool(self.trainer.is_global_zero)

    def embed(self, manifest: Any, *, output: str | None = None) -> Any:
        """The finished features of `manifest`, all ranks together."""
        return self.embedder.embed(manifest, encoder=self.encoder, trainer=self.trainer, output=output)


def build_reading(config: DictConfig) -> Reading:
    """Instantiate encoder, embedder and trainer; tell what was loaded, and keep the config.

    The network is made right after seeding: encoder=random depends on the seed and the network alone.

    Raises:
        InputError: when a GPU is asked for that is not there, and whatever the constructors find wrong.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    backbone = instantiate(config.get("backbone"))
    encoder = instantiate(config.protocol).load(str(config.encoder), momentum=config.momentum, backbone=backbone)
    loggers = [instantiate(node) for node in (config.get("logger") or {}).values() if node is not None]
    trainer = make_trainer(config, callbacks=[instantiate(config.progress)], loggers=loggers)
    reading = Reading(encoder=encoder, embedder=instantiate(config.embedder), trainer=trainer, folder=Path(config.paths.run))
    if reading.speaks:
        logger.info("encoder: %s", encoder.origin)
        logger.info("view: %s", encoder.view_in_words)
        write_config(config, reading.folder)
    return reading
