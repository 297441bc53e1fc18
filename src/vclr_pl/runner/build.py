"""From a composed config to the objects of a run: seed first, then one constructor call a node."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vclr_pl.files import write_whole
from vclr_pl.runner.machine import refuse_absent_gpu
from vclr_pl.runner.trainer import make_trainer
from vclr_pl.text import readable, readable_content

CONFIG_FILE = "config.yaml"


@dataclass(frozen=True)
class Training:
    """What a run is made of. `weight` is None where it starts from random weights, or where `module` has its weights already."""

    module: Any
    datamodule: Any
    trainer: lightning.Trainer
    evaluation: Any
    weight: Any
    folder: Path


def build(config: DictConfig) -> Training:
    """Instantiate every node of a training config.

    The network is made right after seeding and before anything else draws, so that its random initialization, the baseline of
    every result, depends on the seed and the network alone.

    Raises:
        InputError: when a GPU is asked for that is not there, and whatever the constructors find wrong.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    module = instantiate(config.module)
    datamodule = instantiate(config.datamodule)
    evaluation = instantiate(config.evaluation)
    callbacks = [instantiate(node) for node in config.callback.values() if node is not None]
    trainer = trainer_of(config, callbacks=[*callbacks, evaluation])
    return Training(
        module=module,
        datamodule=datamodule,
        trainer=trainer,
        evaluation=evaluation,
        weight=instantiate(config.get("weight")),
        folder=Path(config.paths.run),
    )


def trainer_of(config: DictConfig, *, callbacks: list[lightning.Callback]) -> lightning.Trainer:
    """The trainer with the config's loggers, which write into the run folder."""
    keep_earlier_metrics(Path(config.paths.run))
    loggers = [instantiate(node) for node in (config.get("logger") or {}).values() if node is not None]
    return make_trainer(config, callbacks=callbacks, loggers=loggers)


def keep_earlier_metrics(folder: Path) -> None:
    """A run that goes on in its own folder must not lose its curve: Lightning's CSV logger removes the file that it finds."""
    earlier = folder / "metrics.csv"
    if earlier.is_file() and os.environ.get("LOCAL_RANK", "0") == "0":
        earlier.rename(folder / f"metrics_until_{time.strftime('%Y-%m-%d_%H-%M-%S', time.localtime(earlier.stat().st_mtime))}.csv")


def write_config(config: DictConfig, folder: Path) -> None:
    """The config as it was run, every interpolation resolved, beside the results; its first line is the command line."""
    given = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    first_line = readable(f"# {shlex.join(given)}".replace("\n", " "))
    write_whole(folder / CONFIG_FILE, f"{first_line}\n{OmegaConf.to_yaml(config, resolve=True)}")


def log_config(config: DictConfig, trainer: lightning.Trainer) -> None:
    """Give the config to every logger that keeps one; the CSV logger would only copy config.yaml."""
    for logger in trainer.loggers:
        if not isinstance(logger, lightning.loggers.CSVLogger):
            logger.log_hyperparams(readable_content(OmegaConf.to_container(config, resolve=True)))
