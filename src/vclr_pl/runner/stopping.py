"""The end of a command that a signal has stopped: its line, its exit code, and under SLURM its return to the queue."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys

from vclr_pl.runner.process_launch import process_rank
from vclr_pl.stop import Stopped

REQUEUE_SIGNAL = getattr(signal, "SIGUSR1", None)  # of `sbatch --signal=USR1@90`
REQUEUE_SECONDS = 60


def stopped_exit_code(stopped: Stopped) -> int:
    """Print the line; put a SLURM job that its scheduler has stopped ahead of its time limit back into the queue.

    Returns:
        143 for SIGTERM, 130 for Ctrl-C; 0 for a job that is in the queue again.
    """
    gc.freeze()  # Python collects garbage before it ends: with torch loaded that takes seconds, which a scheduler may not wait
    job = slurm_job() if stopped.signal == REQUEUE_SIGNAL else None
    if process_rank():
        return stopped.exit_code if job is None else 0
    if job is None:
        _say(str(stopped))
        return stopped.exit_code
    refused = _requeue(job)
    _say(f"{stopped}; {f'SLURM job {job} is in the queue again' if refused is None else f'SLURM did not requeue job {job}: {refused}'}")
    return stopped.exit_code if refused else 0


def slurm_job() -> str | None:
    """The SLURM job of this process, of an array with its task; None outside SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def _requeue(job: str) -> str | None:
    """None, or why SLURM has not put the job back."""
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=REQUEUE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else " ".join(done.stderr.split()) or f"scontrol ended with {done.returncode}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
