"""Processes that do runs: what they say of a mistake, a defect and a crash, and that a process serves several."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from vclr_pl.runner.run_process import OUTPUT, Job, Outcome, OwnProcess, SharedProcess, Worker, ended, last_line
from vclr_pl.stop import listening, stop_if_requested
from vclr_pl.types import InputError


def write_process(config: DictConfig) -> None:
    """In the worker: a task that takes no time."""
    print("at work")
    Path(config.output).write_text(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}")


def mistake(config: DictConfig) -> None:
    raise InputError(expected="a disk", got="none", hint="Buy one.")


def defect(config: DictConfig) -> None:
    raise ValueError("a line\nand another")


def crash(config: DictConfig) -> None:
    print("about to end", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def wait(config: DictConfig) -> None:
    Path(config.output).touch()
    while True:
        stop_if_requested()
        time.sleep(0.05)


def job(folder: Path, task: str, name: str = "run") -> Job:
    words = ("data.root=.", f"output={folder / 'process'}", f"hydra.run.dir={folder / name}")
    return Job(command="check", task=f"{__name__}.{task}", words=words, folder=folder / name)


def outcome_of(worker: Worker, of: Job) -> Outcome:
    worker.begin(of)
    while (outcome := worker.outcome()) is None:
        time.sleep(0.05)
    return outcome


@pytest.fixture(scope="module")
def worker() -> Any:
    shared = SharedProcess(threads=1)
    yield shared
    shared.close()


def test_one_process_does_several_jobs(worker: SharedProcess, tmp_path: Path) -> None:
    assert outcome_of(worker, job(tmp_path, "write_process")).line is None
    first = (tmp_path / "process").read_text()
    assert first.endswith(f" {os.environ.get('OMP_NUM_THREADS', '1')}")
    assert "at work" in (tmp_path / "run" / OUTPUT).read_text()
    assert outcome_of(worker, job(tmp_path, "mistake", "other")).line == "expected a disk; got none. Buy one."
    assert outcome_of(worker, job(tmp_path, "defect", "third")).line == "ValueError: a line and another"
    assert "Traceback" in (tmp_path / "third" / OUTPUT).read_text()
    assert "at work" not in (tmp_path / "third" / OUTPUT).read_text()
    outcome_of(worker, job(tmp_path, "write_process"))
    assert (tmp_path / "process").read_text() == first


def test_a_crash_ends_one_job(worker: SharedProcess, tmp_path: Path) -> None:
    outcome = outcome_of(worker, job(tmp_path, "crash"))
    assert (outcome.line, outcome.stopped) == ("ended by SIGKILL after: about to end", False)
    before = worker._connection
    assert outcome_of(worker, job(tmp_path, "write_process")).line is None
    assert before is not None
    assert before.closed


def test_an_end_without_an_answer_is_no_failure_while_a_stop_is_requested(worker: SharedProcess, tmp_path: Path) -> None:
    """The signal reaches both processes; the other may end between two jobs."""
    with listening():
        os.kill(os.getpid(), signal.SIGTERM)
        outcome = outcome_of(worker, job(tmp_path, "crash"))
    assert (outcome.line, outcome.stopped) == ("ended by SIGKILL after: about to end", True)


def test_a_process_that_ends_before_the_job_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was alive when `begin` looked."""
    worker = SharedProcess(threads=None)
    assert outcome_of(worker, job(tmp_path, "write_process")).line is None
    assert worker._process is not None
    worker._process.kill()
    worker._process.wait()
    monkeypatch.setattr(worker._process, "poll", lambda: None)
    assert outcome_of(worker, job(tmp_path, "write_process", "next")).line == "ended by SIGKILL"
    worker.close()


def test_a_stop_is_not_a_failure(tmp_path: Path) -> None:
    worker = SharedProcess(threads=None)
    worker.begin(job(tmp_path, "wait"))
    while not (tmp_path / "process").exists():
        time.sleep(0.05)
    worker.stop()
    while (outcome := worker.outcome()) is None:
        time.sleep(0.05)
    assert (outcome.line, outcome.stopped) == ("stopped by SIGTERM", True)
    worker.close()


def test_a_process_of_its_own_is_the_command(tmp_path: Path) -> None:
    worker = OwnProcess(shown=False, threads=1)
    refused = Job(command="check", task="", words=("data.root=.", "ouput=x"), folder=tmp_path / "run")
    outcome = outcome_of(worker, refused)
    assert outcome.line is not None
    assert "Did you mean output?" in outcome.line
    assert not outcome.line.startswith("error: ")
    shown = Job(command="check", task="", words=("--version",), folder=tmp_path / "other")
    assert outcome_of(worker, shown).line is None
    assert (tmp_path / "other" / OUTPUT).read_text().startswith("vclr_pl ")
    worker.close()


def outcome_of_signalled(tmp_path: Path, number: signal.Signals) -> Outcome:
    """Of a `check` in a process of its own."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in range(1000):
        (videos / f"{name}.mp4").write_bytes(b"no video")
    worker = OwnProcess(shown=False, threads=1)
    worker.begin(Job(command="check", task="", words=(f"data.root={videos}", f"output={tmp_path / 'check.csv'}"), folder=tmp_path / "run"))
    assert worker._process is not None
    while not (tmp_path / "check.csv").exists() and worker._process.poll() is None:
        time.sleep(0.01)
    worker._process.send_signal(number)
    while (outcome := worker.outcome()) is None:
        time.sleep(0.05)
    worker.close()
    return outcome


def test_a_process_of_its_own_that_is_warned_has_not_finished(tmp_path: Path, in_slurm: Path) -> None:
    """A job of SLURM: the command that does the runs returns it to the queue."""
    outcome = outcome_of_signalled(tmp_path, signal.SIGUSR1)
    assert (outcome.line, outcome.stopped) == ("stopped by SIGUSR1", True)
    assert not (in_slurm / "asked").exists()


def test_a_process_of_its_own_that_is_killed_did_not_say_so(tmp_path: Path) -> None:
    outcome = outcome_of_signalled(tmp_path, signal.SIGKILL)
    assert outcome.line is not None
    assert outcome.line.startswith("ended by SIGKILL")
    assert not outcome.stopped


def test_the_end_of_a_process_in_words(tmp_path: Path) -> None:
    assert (ended(-9), ended(3)) == ("ended by SIGKILL", "ended with exit code 3")
    assert last_line(tmp_path) is None
    (tmp_path / OUTPUT).write_text("a\nerror: b \n\n")
    assert last_line(tmp_path) == "b"
