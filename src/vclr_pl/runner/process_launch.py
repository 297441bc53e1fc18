"""The processes of one job: Lightning starts them by repeating the command, and leaves its marks in this process.

Lightning repeats `sys.argv` and appends the run folder. In a sweep that command would be the whole sweep, so a job shows its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextvars import ContextVar

from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import read_write

from vclr_pl.runner import ranks
from vclr_pl.stop import Stopped, stop_by, stop_if_requested, stop_requested, stop_with
from vclr_pl.types import InputError

CALLED_FROM_PYTHON = ContextVar("CALLED_FROM_PYTHON", default=False)  # the job is a call of the Python API, not a command
PRECISION_VARIABLE = "VCLR_PL_PRECISION"  # what this job has chosen, for the processes that it starts
BAD_INPUT = 2  # exit code
SWEEP_VARIABLE = "VCLR_PL_SWEEP"  # the process of the sweep, with which its job ends
BETWEEN_LOOKS_SECONDS = 0.5
_part_of_a_command = False
LAUNCH_VARIABLES = (
    "MASTER_ADDR",
    "MASTER_PORT",
    "NODE_RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "PL_GLOBAL_SEED",
    "PL_SEED_WORKERS",
    PRECISION_VARIABLE,
)


@contextlib.contextmanager
def own_processes() -> Iterator[None]:
    """Around one job: children get this job's command and folder; afterwards no process group or launch mark is left."""
    marks = {name: os.environ.get(name) for name in LAUNCH_VARIABLES}
    command = sys.argv
    if is_sweep():
        sys.argv = job_command(command, list(HydraConfig.get().overrides.task))
        hydra_config = HydraConfig.instance().cfg
        assert hydra_config is not None
        with read_write(hydra_config.hydra.run):
            hydra_config.hydra.run.dir = HydraConfig.get().runtime.output_dir
    try:
        yield
    finally:
        sys.argv = command
        over = ranks.leave()
        _leave_process_group()
        if CALLED_FROM_PYTHON.get():  # the caller may catch the error and go on
            over.set()
        for name, value in marks.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class EndedWithAnotherRankError(Exception):
    """Another rank has failed; `failure` is its."""

    def __init__(self, failure: ranks.Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@contextlib.contextmanager
def told_to_other_ranks() -> Iterator[None]:
    """An error of the block ends all ranks of the run.

    Raises:
        EndedWithAnotherRankError: in place of an error that follows from the failure of another rank.
        Stopped: in place of an error that follows from the stop of another rank, with its signal: only rank 0 returns a job to its queue.
    """
    try:
        yield
    except BaseException as error:
        if not (isinstance(error, Stopped) and error.agreed) and (failure := ranks.failure_of_another()) is not None:
            raise failure.stopped or EndedWithAnotherRankError(failure) from error
        tell_ranks(error)
        raise


def tell_ranks(error: BaseException) -> None:
    """End the other ranks because of this error, unless it follows from the failure of another."""
    if isinstance(error, Stopped) and error.agreed:
        return
    code = error.exit_code if isinstance(error, Stopped) else BAD_INPUT if isinstance(error, InputError | OSError) else 1
    ranks.tell(code=code, line=f"{type(error).__name__}: {error}")


def _leave_process_group() -> None:
    distributed = sys.modules.get("torch.distributed")  # a job that joined a group has imported it
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def process_rank() -> int:
    """This process's place among all, by what torchrun, Lightning or SLURM has set; 0 for a process alone."""
    if os.environ.get("NODE_RANK", "0") != "0" and "RANK" not in os.environ:
        return int(os.environ["NODE_RANK"])
    return int(next((os.environ[name] for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID") if os.environ.get(name)), "0"))


def started_processes() -> int:
    """Processes that torchrun, srun or Lightning has started together, of which this is one; 1 for a process alone.

    SLURM_NTASKS is the size of an allocation: the batch script and an interactive shell have it too.
    """
    by_launcher = "WORLD_SIZE" if {"RANK", "LOCAL_RANK"} & os.environ.keys() else "SLURM_STEP_NUM_TASKS"
    return int(os.environ.get(by_launcher) or 1)


def is_job_of_processes(devices: object, nodes: object) -> bool:
    """Does this job of a sweep start further ranks? torchrun or srun have started those of others."""
    return is_sweep() and (str(devices), str(nodes)) != ("1", "1") and not {"RANK", "LOCAL_RANK", "SLURM_PROCID"} & os.environ.keys()


def do_in_process_of_its_own(config_name: str) -> None:
    """Do this job of a sweep in a process of its own: a failure of one of its ranks may leave no way but to end all of them.

    Raises:
        InputError: the job failed; it has said why.
        Stopped: a signal asked this process to stop, and the job gets it too; or it asked the job alone.
    """
    hydra_config = HydraConfig.get()
    words = job_command(sys.argv, list(hydra_config.overrides.task))[1:]
    command = [sys.executable, "-m", f"vclr_pl.{config_name}", *words, f'hydra.run.dir="{hydra_config.runtime.output_dir}"']
    with subprocess.Popen(command, env={**os.environ, SWEEP_VARIABLE: str(os.getpid())}) as job:
        while job.poll() is None:
            if (number := stop_requested()) is not None:
                # A terminal has sent Ctrl-C to the job too, and a second one ends it at once.
                job.send_signal(signal.SIGTERM if number == signal.SIGINT else number)
                job.wait()
            with contextlib.suppress(subprocess.TimeoutExpired):
                job.wait(BETWEEN_LOOKS_SECONDS)
    stop_if_requested()
    if (stopped := stop_by(job.returncode)) is not None:  # the signal was for the job alone
        raise stopped
    if job.returncode:
        folder = hydra_config.runtime.output_dir
        raise InputError(expected="a job without an error", got=f"exit code {job.returncode}", hint=f"See above, and the log in {folder}.")


def with_sweep() -> None:
    """A job in a process of its own stops when the process of the sweep, or of the table, has ended."""
    global _part_of_a_command
    if (sweep := os.environ.pop(SWEEP_VARIABLE, None)) is not None:
        _part_of_a_command = True
        stop_with(int(sweep))


def is_part_of_a_command() -> bool:
    """True in a process that another command of the package has started for one of its jobs; that one returns a SLURM job to its queue."""
    return _part_of_a_command


def is_sweep() -> bool:
    """Is this job one of a sweep?"""
    return bool(HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN)


def job_command(command: list[str], overrides: list[str]) -> list[str]:
    """The sweep's command with this job's overrides in place of the sweep's, and without `--multirun`."""
    swept = set(get_args_parser().parse_args(command[1:]).overrides)
    kept = [part for part in command[1:] if part not in swept and part not in ("-m", "--multirun")]
    hydra_overrides = [part for part in command[1:] if part in swept and part.lstrip("+~").startswith("hydra")]
    return [command[0], *kept, *hydra_overrides, *overrides]


def port_in_use(port: str) -> InputError:
    """The error for a port of torch.distributed that another program uses."""
    return InputError(
        expected="a free port for the processes of the run",
        got=f"MASTER_PORT={port}, which is in use",
        hint="Unset MASTER_PORT, and a free port is taken; or set it to another.",
    )
