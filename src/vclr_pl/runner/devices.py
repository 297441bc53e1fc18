"""The devices of a run, and its strategy: data parallel training where there are several."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Sequence

import torch
from omegaconf import DictConfig, OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.process_launch import CALLED_FROM_PYTHON

logger = logging.getLogger(__name__)

AUTO, ALL = "auto", ("auto", -1, "-1")
LAUNCHED = {"RANK", "SLURM_PROCID"}  # set by torchrun and srun


def devices_of(trainer: DictConfig) -> int:
    """Devices of this machine that a run with these options uses; those of the CPU are processes."""
    devices, on_gpu = trainer.get("devices", 1), trainer.get("accelerator", AUTO) != "cpu" and torch.cuda.is_available()
    if devices in ALL:
        return torch.cuda.device_count() if on_gpu else 1
    if isinstance(devices, Sequence) and not isinstance(devices, str):
        return len(devices)
    words = str(devices).split(",")
    return int(devices) if words[0].isdecimal() and len(words) == 1 else len([word for word in words if word])


def with_strategy(trainer: DictConfig) -> DictConfig:
    """A copy of the trainer's options with a strategy of several devices in place of `auto`, that of `trainer=ddp`.

    All GPUs mean one in a call from Python, which is one process, unless torchrun or srun has started it.
    """
    chosen = copy.deepcopy(trainer)
    OmegaConf.resolve(chosen)
    OmegaConf.set_struct(chosen, False)
    count = devices_of(trainer)
    if count > 1 and trainer.devices in ALL and CALLED_FROM_PYTHON.get() and not LAUNCHED & os.environ.keys():
        logger.info("1 of %d GPUs: a call from Python is one process. The command, or torchrun, uses all of them.", count)
        chosen.devices = count = 1
    if chosen.get("strategy") == AUTO and count * trainer.get("num_nodes", 1) > 1:
        chosen.strategy = OmegaConf.load(config_folder() / "trainer" / "ddp.yaml").strategy
    return chosen
