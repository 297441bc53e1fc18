"""The trainer of a config, and what keeps its processes from finding one another: SLURM's variables, a port in use."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import pytorch_lightning as lightning
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from omegaconf import DictConfig

from vclr_pl.runner.machine import refuse_absent_gpu
from vclr_pl.types import InputError

INTERACTIVE = ("bash", "interactive")  # job names for which Lightning looks at no variable of SLURM


def make_trainer(config: DictConfig, *, callbacks: list[lightning.Callback], loggers: list[Any]) -> lightning.Trainer:
    """The trainer of a config.

    Raises:
        InputError: when this machine or this job cannot run it: see the functions below.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    _refuse_tasks_without_srun()
    trainer: lightning.Trainer = instantiate(config.trainer, callbacks=callbacks, logger=loggers or False)
    _refuse_busy_port(trainer)
    return trainer


def _refuse_tasks_without_srun() -> None:
    """Raises InputError for SLURM's variables of several tasks where srun has not started this process as one of them.

    Lightning takes SLURM_NTASKS for processes that srun has started; an interactive job sets it too.
    """
    if "SLURM_NTASKS" not in os.environ or SLURMEnvironment.job_name() in INTERACTIVE or TorchElasticEnvironment.detect():
        return
    tasks = os.environ["SLURM_NTASKS"]
    if tasks != "1" and not {"SLURM_PROCID", "SLURM_NTASKS_PER_NODE"} <= os.environ.keys():
        raise InputError(
            expected="a process that srun has started with --ntasks-per-node",
            got=f"SLURM_NTASKS={tasks} without SLURM_PROCID or SLURM_NTASKS_PER_NODE",
            hint="Start the command with `srun --ntasks-per-node=...`; in an interactive job run `unset SLURM_NTASKS` before it.",
        )


def _refuse_busy_port(trainer: lightning.Trainer) -> None:
    """Raises InputError where MASTER_PORT names a port that is in use: torch.distributed may wait at it for ever."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is None or environment.creates_processes_externally or trainer.world_size == 1 or trainer.global_rank != 0:
        return
    port = os.environ.get("MASTER_PORT", "0")
    try:
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")):
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that has just been left is free
                probe.bind((host, int(port)))
    except (ValueError, OverflowError) as error:
        raise InputError(expected="MASTER_PORT to be a port", got=port, hint="Unset MASTER_PORT, and a free port is taken.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise port_in_use(port) from error


def port_in_use(port: str) -> InputError:
    """The line for a port of torch.distributed that another program has."""
    return InputError(
        expected="a free port for the processes of the run",
        got=f"MASTER_PORT={port}, which is in use",
        hint="Unset MASTER_PORT, and a free port is taken; or set it to another.",
    )
