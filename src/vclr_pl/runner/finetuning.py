"""From a composed config to the objects of a fine-tuning run."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vclr_pl.runner.build import Training, trainer_of
from vclr_pl.runner.machine import refuse_absent_gpu

logger = logging.getLogger(__name__)


def build_finetuning(config: DictConfig) -> Training:
    """Instantiate every node, and say where the backbone comes from.

    The data come first, for they say how many classes there are; then the seed, the backbone, the head: random weights depend on
    the seed and the network alone.

    Raises:
        InputError: when a GPU is asked for that is not there, and whatever the constructors find wrong.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    datamodule = instantiate(config.datamodule)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    start = instantiate(config.start)(str(config.encoder), backbone=instantiate(config.get("backbone")))
    described = OmegaConf.to_container(config.backbone, resolve=True) if config.get("backbone") is not None else None
    recognizer = instantiate(config.recognizer)(backbone=start.network, classes=len(datamodule.class_names))
    module = instantiate(config.module)(recognizer=recognizer)
    evaluation = instantiate(config.evaluation)
    callbacks = [
        _finished(instantiate(node), architecture=start.architecture or described) for node in config.callback.values() if node is not None
    ]
    trainer = trainer_of(config, callbacks=[*callbacks, evaluation])
    if trainer.is_global_zero:
        logger.info("backbone: %s", start.origin)
    folder = Path(config.paths.run)
    return Training(module=module, datamodule=datamodule, trainer=trainer, evaluation=evaluation, weight=None, folder=folder)


def _finished(callback: Any, *, architecture: Any) -> Any:
    """A callback that is made once the encoder's file has said which network it holds."""
    return callback(architecture=architecture) if isinstance(callback, functools.partial) else callback
