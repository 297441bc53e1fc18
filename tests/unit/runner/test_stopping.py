"""Exit codes of a stopped command, and SLURM's requeue."""

from __future__ import annotations

import signal

import pytest

from vclr_pl.runner.stopping import slurm_job, stopped_exit_code
from vclr_pl.stop import Stopped


@pytest.fixture
def in_slurm(monkeypatch, tmp_path):
    """A job with a program `scontrol` that writes its arguments, and ends with the code in the file `code`."""
    program = tmp_path / "scontrol"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho no such job >&2\nexit $(cat {tmp_path}/code)\n')
    program.chmod(0o755)
    (tmp_path / "code").write_text("0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    return tmp_path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_code_of_a_signal(in_slurm, capsys, number, code):
    assert stopped_exit_code(Stopped(number)) == code
    assert capsys.readouterr().err == f"stopped by {number.name}\n"
    assert not (in_slurm / "asked").exists()


def test_slurm_gets_its_job_back(in_slurm, capsys):
    assert stopped_exit_code(Stopped(signal.SIGUSR1)) == 0
    assert (in_slurm / "asked").read_text() == "requeue 42\n"
    assert "SLURM job 42 is in the queue again" in capsys.readouterr().err


def test_a_refused_requeue_is_said_and_no_success(in_slurm, capsys):
    (in_slurm / "code").write_text("1")
    assert stopped_exit_code(Stopped(signal.SIGUSR1)) == 138
    assert "did not requeue job 42: no such job" in capsys.readouterr().err


def test_one_process_of_a_job_asks(in_slurm, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert stopped_exit_code(Stopped(signal.SIGUSR1)) == 0
    assert not (in_slurm / "asked").exists()


def test_without_slurm_the_signal_is_one_like_others(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert stopped_exit_code(Stopped(signal.SIGUSR1)) == 138


def test_a_task_of_an_array(in_slurm, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "40")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert slurm_job() == "40_3"
