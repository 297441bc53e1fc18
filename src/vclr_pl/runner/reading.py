"""From a composed config to what reads collections of videos with a frozen encoder."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.runner.build import write_config
from vclr_pl.runner.machine import refuse_absent_gpu
from vclr_pl.runner.trainer import make_trainer
from vclr_pl.types import FeatureTable, InputError, nothing_readable

logger = logging.getLogger(__name__)
OPTION = re.compile(r"(?<![\w/.-])data\.(?=[a-z])")  # not within a path


@dataclass(frozen=True)
class Reading:
    """What `evaluate`, `embed` and `retrieve` share."""

    splits: Any
    encoder: Any
    embedder: Any
    trainer: lightning.Trainer
    folder: Path

    @property
    def is_main_process(self) -> bool:
        """Is this the process that evaluates and writes?"""
        return bool(self.trainer.is_global_zero)

    def embed(self, manifest: Any, *, output: str | None = None) -> Any:
        """The finished features of `manifest`, all ranks together."""
        return self.embedder.embed(manifest, encoder=self.encoder, trainer=self.trainer, output=output)

    def table(self, folder: Any, *, role: str) -> FeatureTable:
        """The features in a folder of `embed`.

        Raises:
            BrokenVideosError: none could be read.
        """
        table: FeatureTable = folder.table()
        if not len(table):
            raise nothing_readable(f"{role} videos", table.broken)
        return table


def build_reading(config: DictConfig, *, data: str = "data") -> Reading:
    """Instantiate encoder, lists of videos, embedder and trainer; tell what was loaded, and keep the config.

    The network is made right after seeding: encoder=random depends on the seed and the network alone.

    Args:
        data: key of the node of the lists; they say whether the videos are a benchmark's, which the encoder sees as published.

    Raises:
        InputError: when a GPU is asked for that is not there, and whatever the constructors find wrong.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    backbone = instantiate(config.get("backbone"))
    protocol = instantiate(config.protocol)
    loaded = protocol.read(str(config.encoder), momentum=config.momentum, backbone=backbone)  # its mistakes first: lists take time
    splits = splits_of(config[data], key=data)
    encoder = protocol.show(loaded, published=splits.published)
    loggers = [instantiate(node) for node in (config.get("logger") or {}).values() if node is not None]
    trainer = make_trainer(config, callbacks=[instantiate(config.progress)], loggers=loggers)
    embedder = instantiate(config.embedder)
    reading = Reading(splits=splits, encoder=encoder, embedder=embedder, trainer=trainer, folder=Path(config.paths.run))
    if reading.is_main_process:
        logger.info("encoder: %s", encoder.origin)
        logger.info("view: %s", encoder.view.in_words)
        write_config(config, reading.folder)
    return reading


def splits_of(node: DictConfig, *, key: str) -> Any:
    """The lists of the data that the config `key` names.

    Raises:
        InputError: as the data's reader does, with options below `key`.
    """
    try:
        return instantiate(node)
    except InstantiationException as error:
        cause = error.__cause__
        if key == "data" or not isinstance(cause, InputError):
            raise
        expected, got, hint = (OPTION.sub(f"{key}.", text) for text in (cause.expected, cause.got, cause.hint))
        raise InputError(expected=expected, got=got, hint=hint) from None


def only_list(splits: Any, *, key: str) -> Any:
    """The training list, where one list is wanted; a test list is counted in the log, and not used."""
    if splits.test is not None:
        logger.warning("%s: the %d videos of the test split are left out", key, len(splits.test))
    return splits.train
