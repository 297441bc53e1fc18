"""The processes that do the runs of a table, so that a crash costs one run.

A long run has a process of its own, started as a user would start it. Short runs share a process, which imports torch once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from vclr_pl.runner.process_launch import SWEEP_VARIABLE, with_sweep
from vclr_pl.runner.python_call import call
from vclr_pl.stop import Stopped, listening, stop_by, stop_if_requested, stop_requested
from vclr_pl.types import InputError

OUTPUT = "output.txt"  # what a run prints
LOOK_SECONDS = 0.2
THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command to do: its name, the dotted name of its function, the words of its command line, and its run folder."""

    command: str
    task: str
    words: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a job. `line` says why it failed; a stopped job can continue."""

    seconds: float
    line: str | None = None
    stopped: bool = False


class Worker(Protocol):
    """Does one job at a time."""

    def begin(self, job: Job) -> None: ...
    def outcome(self) -> Outcome | None:
        """None while the job is running."""

    def stop(self) -> None:
        """Ask the job to stop where nothing is lost."""

    def close(self) -> None: ...


class OwnProcess:
    """A process for each job.

    Args:
        shown: the job prints to the terminal, else into OUTPUT in its run folder.
        threads: of the computing libraries; None leaves it to them.
    """

    def __init__(self, *, shown: bool, threads: int | None) -> None:
        self.shown, self.threads = shown, threads
        self._process: subprocess.Popen[bytes] | None = None
        self._job: Job | None = None
        self._started = 0.0

    def begin(self, job: Job) -> None:
        job.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", f"vclr_pl.{job.command}", *job.words]
        with (job.folder / OUTPUT).open("ab") as output:
            stdout = None if self.shown else output
            self._process = subprocess.Popen(
                command, env=environment_of(threads=self.threads), stdin=subprocess.DEVNULL, stdout=stdout, stderr=output
            )
        self._job, self._started = job, time.monotonic()

    def outcome(self) -> Outcome | None:
        assert self._process is not None
        assert self._job is not None
        code = self._process.poll()
        if code is None:
            return None
        seconds = time.monotonic() - self._started
        if code == 0:
            return Outcome(seconds=seconds)
        if code < 0:  # before it listened to signals, or killed; it has not said so
            return Outcome(seconds=seconds, line=ended_after(code, self._job.folder), stopped=stop_requested() is not None)
        return Outcome(seconds=seconds, line=last_line(self._job.folder) or ended(code), stopped=stop_by(code) is not None)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        if self._process is not None:
            self._process.wait()


class SharedProcess:
    """One process for all jobs; another takes its place after a crash.

    Args:
        threads: of the computing libraries; None leaves it to them.
    """

    def __init__(self, *, threads: int | None) -> None:
        self.threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._job: Job | None = None
        self._started = 0.0

    def begin(self, job: Job) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._connection is not None
        with contextlib.suppress(OSError):  # it has just ended, which outcome() finds
            self._connection.send(job)
        self._job, self._started = job, time.monotonic()

    def _start(self) -> None:
        if self._connection is not None:
            self._connection.close()
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            environment = environment_of(threads=self.threads)
            command = [sys.executable, "-c", f"from {__name__} import serve; serve({number})"]
            self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[number])
        self._connection = Connection(ours.detach())

    def outcome(self) -> Outcome | None:
        assert self._process is not None
        assert self._connection is not None
        assert self._job is not None
        try:
            if self._connection.poll():
                found: Outcome = self._connection.recv()
                return found
        except (EOFError, OSError):  # it has ended without an answer
            line = ended_after(self._process.wait(), self._job.folder)
            return Outcome(seconds=time.monotonic() - self._started, line=line, stopped=stop_requested() is not None)
        return None

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.wait()


def environment_of(*, threads: int | None) -> dict[str, str]:
    """The variables of a process that does runs: it stops when this process has ended."""
    environment = {**os.environ, SWEEP_VARIABLE: str(os.getpid())}
    if threads is not None:
        environment.setdefault(THREADS, str(threads))
    return environment


def serve(connection_number: int) -> None:
    """In the shared process: do jobs until the other end closes the connection, or a signal asks to stop.

    Args:
        connection_number: file descriptor of this end.
    """
    with_sweep()
    with listening(until_exit=True), Connection(connection_number) as connection:
        while stop_requested() is None:
            try:
                if not connection.poll(LOOK_SECONDS):
                    continue
                job = connection.recv()
            except (EOFError, OSError):
                return
            connection.send(done(job))


def done(job: Job) -> Outcome:
    """Do the job, with all that it prints in OUTPUT of its run folder."""
    started, line, stopped = time.monotonic(), None, False
    print_into(job.folder)
    try:
        stop_if_requested()
        call(job.task, config_name=job.command, options={}, overrides=job.words)
    except Stopped as ending:
        line, stopped = str(ending), True
    except InputError as error:
        line = str(error)
        print(f"error: {line}", file=sys.stderr)
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        traceback.print_exc()
    gc.collect()  # trainers hold themselves, and with them the processes that decode
    sys.stdout.flush()
    return Outcome(seconds=time.monotonic() - started, line=line, stopped=stopped)


def print_into(folder: Path) -> None:
    """Let everything that this process prints go into the folder's OUTPUT, what libraries in C print too."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    with (folder / OUTPUT).open("ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)


def last_line(folder: Path) -> str | None:
    """Of what a run has printed."""
    try:
        text = (folder / OUTPUT).read_text(errors="replace")
    except OSError:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else None


def ended_after(code: int, folder: Path) -> str:
    """How a process has ended that could not say it, and the last line that it printed."""
    printed = last_line(folder)
    return f"{ended(code)}{f' after: {printed}' if printed else ''}"


def ended(code: int) -> str:
    """How a process has ended, in words."""
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
