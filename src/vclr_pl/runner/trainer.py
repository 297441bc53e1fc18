"""The trainer of a config; refuses a missing GPU, SLURM variables without srun, and a port in use."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytorch_lightning as lightning
import torch
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger
from pytorch_lightning.trainer.connectors.signal_connector import _SignalConnector

from vclr_pl.report.metrics_file import ROWS, MetricsFile, MetricsRows
from vclr_pl.runner.devices import with_strategy
from vclr_pl.runner.process_launch import CALLED_FROM_PYTHON, port_in_use, process_rank, started_processes
from vclr_pl.runner.rank_launch import end_together
from vclr_pl.runner.run_clock import RunClock
from vclr_pl.types import InputError

SPLITTING = ("fsdp", "deepspeed", "modelparallel", "model_parallel")  # in names of strategies
HALF_PRECISIONS = ("bf16-true", "16-true")
INTERACTIVE = ("bash", "interactive")  # job names for which Lightning looks at no variable of SLURM


def trainer_of(config: DictConfig, *, callbacks: list[lightning.Callback]) -> lightning.Trainer:
    """The trainer with the config's loggers, which write into the run folder."""
    loggers = [instantiate(node) for node in (config.get("logger") or {}).values() if node is not None]
    rows = [MetricsRows(one) for one in loggers if isinstance(one, MetricsFile)]
    return make_trainer(config, callbacks=[*callbacks, RunClock(), *rows], loggers=loggers)


def continue_loggers(trainer: lightning.Trainer, *, checkpoint: Path | None) -> None:
    """Prepare the loggers for the rows and steps after a checkpoint; without one they begin anew."""
    if checkpoint is None:
        return
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    for one in trainer.loggers:
        if hasattr(one, "continue_from"):
            one.continue_from(step=content["global_step"], rows=content.get(ROWS))


def clock_of(trainer: lightning.Trainer) -> RunClock:
    """The clock that `trainer_of` has added."""
    return next(one for one in callbacks_of(trainer) if isinstance(one, RunClock))


def callbacks_of(trainer: lightning.Trainer) -> list[lightning.Callback]:
    """All callbacks of a trainer; Lightning does not type them."""
    callbacks: list[lightning.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return callbacks


def make_trainer(config: DictConfig, *, callbacks: list[lightning.Callback], loggers: list[Logger]) -> lightning.Trainer:
    """The trainer of a config.

    Raises:
        InputError: when this machine or this job cannot run it: see the functions below.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    _refuse_negative_length(max_epochs=config.trainer.get("max_epochs"), max_steps=config.trainer.get("max_steps"))
    _refuse_tasks_without_srun()
    _refuse_split_networks(strategy=config.trainer.get("strategy"), precision=config.trainer.get("precision"))
    trainer: lightning.Trainer = instantiate(with_strategy(config.trainer), callbacks=callbacks, logger=loggers or False)
    _refuse_processes_apart(trainer)
    leave_signals_to_us(trainer)
    end_together(trainer)
    _refuse_processes_of_a_call(trainer)
    _refuse_busy_port(trainer)
    return trainer


class _NoSignals(_SignalConnector):
    """Sets no handlers. Lightning's broadcast within the handler of SIGTERM, where two signalled ranks wait for each other forever."""

    def register_signal_handlers(self) -> None:
        pass

    def teardown(self) -> None:
        pass


def leave_signals_to_us(trainer: lightning.Trainer) -> None:
    """Without Lightning's handlers, and without its collective before each step: `Stopping` carries the request in another."""
    trainer._signal_connector = _NoSignals(trainer)
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]


def _refuse_negative_length(**lengths: int | None) -> None:
    """Raises InputError for a number of epochs or steps below -1, which stands for no limit."""
    for name, length in lengths.items():
        if length is not None and length < -1:
            raise InputError(expected=f"trainer.{name} of at least 1", got=str(length), hint=f"Set trainer.{name}=100.")


def _refuse_split_networks(*, strategy: object, precision: object) -> None:
    """Raises InputError for strategies that split the network over devices, and for networks in half precision.

    The momentum encoder and the queues are whole on each rank, and a moving average of 0.999 does not move in bfloat16.
    """
    named = str(strategy.get("_target_", "") if isinstance(strategy, DictConfig) else strategy).lower()
    if any(kind in named for kind in SPLITTING):
        raise InputError(expected="trainer.strategy=auto, or a trainer of DDP", got=f"{named}", hint="Set trainer=ddp.")
    if str(precision) in HALF_PRECISIONS:
        raise InputError(
            expected="trainer.precision of 32-true, bf16-mixed or 16-mixed", got=str(precision), hint="Set trainer.precision=bf16-mixed."
        )


def _refuse_processes_of_a_call(trainer: lightning.Trainer) -> None:
    """Raises InputError where a call from Python would start processes: they repeat the command line, which is the caller's program."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    is_started = environment is None or environment.creates_processes_externally
    if CALLED_FROM_PYTHON.get() and trainer.world_size > 1 and not is_started:
        raise InputError(
            expected="one process, for a call from Python",
            got=f"a trainer of {trainer.world_size}",
            hint="Start the command instead, for instance `python -m vclr_pl.train`; or start the program with torchrun.",
        )


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


def _refuse_processes_apart(trainer: lightning.Trainer) -> None:
    """Raises InputError where the trainer does not join the processes that torchrun or srun has started.

    Each would be a whole run, and all would write the same files. A batch script of SLURM is one process: it would wait for the others,
    or leave devices unused.
    """
    started, environment = started_processes(), getattr(trainer.strategy, "cluster_environment", None)
    wanted, given = trainer.num_devices * trainer.num_nodes, f"trainer.devices={trainer.num_devices} trainer.num_nodes={trainer.num_nodes}"
    if trainer.world_size == 1 and (started > 1 or process_rank() > 0):
        got, hint = "a trainer of one", "Set trainer=ddp; without GPUs trainer=ddp_cpu trainer.devices=N, the processes of a machine."
    elif started > 1 and environment is not None and not environment.creates_processes_externally:
        name = SLURMEnvironment.job_name()
        got, hint = f"a SLURM job of the name {name}, in which each starts others", "Start the command with srun --job-name=train."
    elif trainer.world_size != wanted:
        got, hint = f"{given} and {trainer.world_size} in all", "Start a process for each device, or give the devices that have one."
    elif isinstance(environment, SLURMEnvironment) and started == 1 < wanted:
        got, hint = f"{given} in one process", "Start the command with srun."
    else:
        return
    raise InputError(expected="one run of all processes that torchrun or srun has started", got=got, hint=hint)


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


def refuse_absent_gpu(*, accelerator: str) -> None:
    """
    Raises:
        InputError: when a GPU is asked for by name and there is none.
    """
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available() and not torch.backends.mps.is_available():
        raise InputError(
            expected=f"a GPU, for trainer.accelerator={accelerator}",
            got="a machine on which torch finds none",
            hint="Use trainer=auto or trainer=cpu (two processes: trainer=ddp_cpu).",
        )
