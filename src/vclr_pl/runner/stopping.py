"""The end of a command that a signal has stopped: its line, its exit code, and under SLURM its return to the queue."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys

from vclr_pl.runner.process_launch import is_part_of_a_command, process_rank
from vclr_pl.runner.ranks import Failure, report
from vclr_pl.stop import Stopped

# `sbatch --signal=USR1@90`, and hydra-submitit-launcher with USR2, warn ahead of the time limit.
WARNINGS = tuple(signal.Signals[name] for name in ("SIGUSR1", "SIGUSR2") if name in signal.Signals.__members__)
SLURM_SECONDS = 60  # for an answer


def stopped_exit_code(stopped: Stopped) -> int:
    """Print the line; put a SLURM job that is preempted, or ends by its time limit, back into the queue.

    Returns:
        143 for SIGTERM, 130 for Ctrl-C; 0 for a job that is in the queue again. Of the ranks of a SLURM job, 0 has the job's exit code.
        A run of a sweep or a table that has a process of its own leaves the queue to the command that has started it.
    """
    gc.freeze()  # Python collects garbage before it ends: with torch loaded that takes seconds, which a scheduler may not wait
    job = slurm_job() if stopped.signal in (*WARNINGS, signal.SIGTERM) and not is_part_of_a_command() else None
    if process_rank():
        return stopped.exit_code if job is None else 0
    if job is None or (stopped.signal == signal.SIGTERM and not _is_preempted(job)):
        _say(str(stopped))
        return stopped.exit_code
    _, refused = _answer("requeue", job)
    _say(f"{stopped}; {f'SLURM did not requeue job {job}: {refused}' if refused else f'SLURM job {job} is in the queue again'}")
    return stopped.exit_code if refused else 0


def last_word(failure: Failure) -> int:
    """Report the end of another rank, with which this one ends. Returns the exit code."""
    if failure.stopped is not None:
        return stopped_exit_code(failure.stopped)
    report(failure, own_rank=process_rank())
    return failure.code


def slurm_job() -> str | None:
    """The SLURM job of this process, of an array with its task; None outside SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def _is_preempted(job: str) -> bool:
    """True if SLURM ends the job for another. SIGTERM also comes from `scancel`, after which the job no longer counts as running."""
    fields = dict(word.partition("=")[::2] for word in _answer("--oneliner", "show", "job", job)[0].split())
    return fields.get("JobState") == "RUNNING" and fields.get("PreemptTime", "None") != "None"


def _answer(*words: str) -> tuple[str, str]:
    """What scontrol says, and why it refuses; that is empty for a success."""
    try:
        done = subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=SLURM_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    refused = " ".join(done.stderr.split()) or f"scontrol ended with {done.returncode}"
    return done.stdout, refused if done.returncode else ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
