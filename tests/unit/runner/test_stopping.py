"""Exit codes of a stopped command, and SLURM's requeue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from vclr_pl.runner.process_launch import SWEEP_VARIABLE
from vclr_pl.runner.ranks import Failure
from vclr_pl.runner.stopping import last_word, slurm_job, stopped_exit_code
from vclr_pl.stop import Stopped


def asked(folder):
    return (folder / "asked").read_text() if (folder / "asked").exists() else ""


@pytest.fixture
def preempted(in_slurm):
    (in_slurm / "answer").write_text("JobId=42 JobState=RUNNING PreemptTime=2026-11-30T08:20:10 Partition=normal\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_code_of_a_signal(in_slurm, capsys, number, code):
    assert stopped_exit_code(Stopped(number)) == code
    assert capsys.readouterr().err == f"stopped by {number.name}\n"
    assert "requeue" not in asked(in_slurm)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_slurm_gets_its_job_back(in_slurm, capsys, number):
    assert stopped_exit_code(Stopped(number)) == 0
    assert asked(in_slurm) == "requeue 42\n"
    assert "SLURM job 42 is in the queue again" in capsys.readouterr().err


@pytest.mark.usefixtures("preempted")
def test_slurm_gets_a_preempted_job_back(in_slurm):
    assert stopped_exit_code(Stopped(signal.SIGTERM)) == 0
    assert asked(in_slurm) == "--oneliner show job 42\nrequeue 42\n"


@pytest.mark.parametrize("state", ["JobState=COMPLETING PreemptTime=2026-11-30T08:20:10", "JobState=RUNNING PreemptTime=None"])
def test_a_cancelled_job_stays_cancelled(in_slurm, state):
    (in_slurm / "answer").write_text(state)
    assert stopped_exit_code(Stopped(signal.SIGTERM)) == 143
    assert "requeue" not in asked(in_slurm)


PART_OF_A_COMMAND = """
import signal
from vclr_pl.runner.process_launch import with_sweep
from vclr_pl.runner.stopping import stopped_exit_code
from vclr_pl.stop import Stopped
with_sweep()
raise SystemExit(stopped_exit_code(Stopped(signal.SIGUSR1)))
"""


def test_a_run_leaves_the_queue_to_the_command_that_has_started_it(in_slurm):
    """An exit code of 0 would say that the run has finished."""
    environment = {**os.environ, SWEEP_VARIABLE: str(os.getpid())}
    done = subprocess.run([sys.executable, "-c", PART_OF_A_COMMAND], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (138, "stopped by SIGUSR1\n")
    assert asked(in_slurm) == ""


def test_a_rank_that_waits_for_another_has_its_stop_as_its_last_word(in_slurm):
    assert last_word(Failure(rank=1, code=138, line="Stopped: stopped by SIGUSR1")) == 0
    assert asked(in_slurm) == "requeue 42\n"
    assert last_word(Failure(rank=1, code=1)) == 1


def test_a_refused_requeue_is_said_and_no_success(in_slurm, capsys):
    (in_slurm / "code").write_text("1")
    assert stopped_exit_code(Stopped(signal.SIGUSR1)) == 138
    assert "did not requeue job 42: no such job" in capsys.readouterr().err


def test_one_process_of_a_job_asks(in_slurm, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert stopped_exit_code(Stopped(signal.SIGUSR1)) == 0
    assert asked(in_slurm) == ""


def test_without_slurm_the_signal_is_one_like_others(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert stopped_exit_code(Stopped(signal.SIGUSR1)) == 138


def test_a_task_of_an_array(in_slurm, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "40")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert slurm_job() == "40_3"
