"""A command that is killed: its processes, its folders, and what differs between the files of two such commands. For kill.py."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

MARK = "VCLR_KILLED_COMMAND"  # variable by which the processes of a command are found
# What differs between two undisturbed runs. In metrics.csv, and in the rows and curves that a checkpoint's callbacks keep: measured times.
TIMED = ("train/data_wait_percent", "train/videos_per_second")
# In results.json: the paths and the time of the run; measured times.
NOT_IN_RESULTS = ("provenance", "timings_seconds")
# In a checkpoint: measured times; RankMe of the queues for the page, which is computed when there is time for it.
NOT_IN_CHECKPOINT = (*TIMED, "run_seconds", "rank/inter", "rank/segment")
# Of torch, which every run leaves; sockets of multiprocessing, which no process can remove after SIGKILL.
OF_OTHERS = ("torchinductor_", "pymp-")
SECONDS_OF_COMMAND, SECONDS_TO_END = 900.0, 60.0
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["vclr_pl.command.training", "vclr_pl.command.evaluation"])


class Forked:
    """A command in a fork of a process that has imported everything, which saves seconds; as subprocess.Popen."""

    def __init__(self, module: str, words: list[str], *, environment: dict[str, str], output: Path) -> None:
        arguments = (module, words, environment, str(output))
        self._process = FORKS.Process(target=_as_command, args=arguments)
        self._process.start()
        self.pid = int(self._process.pid or 0)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("the command", timeout or 0.0)
        return self._process.exitcode


def _as_command(module: str, words: list[str], environment: dict[str, str], output: str) -> None:
    """What `python -m MODULE WORDS` does, in a session of its own."""
    from importlib import import_module  # in the fork

    multiprocessing.set_start_method(None, force=True)  # of the platform, as in a command
    os.setsid()
    os.environ.update(environment)
    tempfile.tempdir = None
    target = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(target, stream)
    os.chdir(Path(output).parent)
    sys.argv = [module, *words]
    code = import_module(module).main()
    sys.stdout.flush()
    sys.exit(code)


class KilledCommand:
    """A command with runs, features and temporary files of its own; the rendered videos are shared."""

    def __init__(self, folder: Path, *, data: Path, module: str, words: list[str], is_fork: bool) -> None:
        self.folder, self.module, self.is_fork, self.mark = folder, module, is_fork, f"{os.getpid()}_{folder.name}"
        self.runs, self.temporary, self.output = folder / "runs", folder / "tmp", folder / "output.txt"
        self.temporary.mkdir(parents=True)
        self.output.touch()
        places = [f"paths.data={data}", f"paths.runs={self.runs}", f"paths.features={folder / 'features'}"]
        self.words = [*(word.format(runs=self.runs) for word in words), *places]
        self.sessions: list[int] = []

    def started(self) -> Any:
        own = {MARK: self.mark, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"}
        if self.is_fork:
            process: Any = Forked(self.module, self.words, environment=own, output=self.output)
        else:
            to: dict[str, Any] = {"stderr": subprocess.STDOUT, "env": {**os.environ, **own}, "cwd": self.folder, "start_new_session": True}
            with self.output.open("ab") as output:
                process = subprocess.Popen([sys.executable, "-m", self.module, *self.words], stdout=output, **to)
        self.sessions.append(process.pid)
        return process

    def ended(self, process: Any, *, seconds: float = SECONDS_OF_COMMAND) -> int | str:
        """The exit code, or words if the command does not end."""
        try:
            return int(process.wait(seconds))
        except subprocess.TimeoutExpired:
            for one in self.processes():
                os.kill(one, signal.SIGKILL)
            process.wait()
            return f"not ended after {seconds:.0f} s"

    def processes(self) -> list[int]:
        """Of the command, by its session and by the variable that they inherit; without zombies."""
        return marked(self.mark, sessions=self.sessions)

    def orphans(self) -> list[str]:
        """The processes that are left after a while, in words; they are killed."""
        end = time.monotonic() + SECONDS_TO_END
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        wrong = [f"process left: {Path(f'/proc/{one}/cmdline').read_bytes()[:200]!r}" for one in left]
        for one in left:
            os.kill(one, signal.SIGKILL)
        return wrong

    def shown(self) -> str:
        """The end of what the command has printed."""
        return self.output.read_text(errors="replace")[-1500:]


def marked(mark: str, *, sessions: Sequence[int] = ()) -> list[int]:
    """Processes that have inherited this value of MARK or belong to the sessions, ascending; without zombies."""
    found, variable = [], f"{MARK}={mark}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (path / "stat").read_text().rpartition(")")[2].split()[:4]
            is_ours = int(session) in sessions or variable in (path / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        if is_ours and state != "Z":
            found.append(int(path.name))
    return sorted(found)


def differences(whole: KilledCommand, again: KilledCommand) -> list[str]:
    """What differs between the files of two commands, in words, and the temporary files that are left."""
    left = [path for path in again.folder.rglob("*") if path.name.endswith((".unfinished", ".lock", ".tmp"))]
    left += [path for path in again.temporary.iterdir() if not path.name.startswith(OF_OTHERS)]
    wrong = [f"left: {path.relative_to(again.folder)}" for path in left]
    folders = sorted({path.parent for path in again.runs.rglob("results.json")})
    if len(folders) != 1:
        return [*wrong, f"{len(folders)} run folders"]
    first, second = next(whole.runs.rglob("results.json")).parent, folders[0]
    if (names := _names(first)) != (others := _names(second)):
        wrong.append(f"files: {sorted(names ^ others)}")
    for read in (_results, _metrics, _checkpoint):
        wrong += _differing(read(first), read(second), read.__name__.strip("_"))
    for path in whole.folder.glob("features/**/*.npy"):
        other = again.folder / path.relative_to(whole.folder)
        if not other.is_file() or not np.array_equal(np.load(path), np.load(other)):
            wrong.append(f"features: {path.name}")
    return wrong


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _results(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "results.json").read_text())
    return {name: value for name, value in content.items() if name not in NOT_IN_RESULTS}


def _metrics(folder: Path) -> dict[str, Any]:
    if not (folder / "metrics.csv").is_file():
        return {}
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [{name: value for name, value in row.items() if name not in TIMED} for row in csv.DictReader(file)]
    return {"rows": len(rows), **{f"row {number}": row for number, row in enumerate(rows)}}


def _checkpoint(folder: Path) -> dict[str, Any]:
    path = folder / "checkpoints" / "last.ckpt"
    if not path.is_file():
        return {}
    content: dict[str, Any] = _comparable(torch.load(path, map_location="cpu", weights_only=True), run=str(folder))
    return content


def _comparable(value: Any, *, run: str) -> Any:
    """A part of a checkpoint without what differs between two undisturbed runs, and with paths relative to the run's folder."""
    if isinstance(value, dict):
        kept = {key: part for key, part in value.items() if key not in NOT_IN_CHECKPOINT}
        return {_comparable(key, run=run): _comparable(part, run=run) for key, part in kept.items()}
    if isinstance(value, list | tuple):
        return [_comparable(part, run=run) for part in value]
    return value.replace(run, "RUN") if isinstance(value, str) else value


def _differing(one: Any, other: Any, name: str) -> list[str]:
    """The first places at which two nested values differ, to the bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return [f"{name}: {sorted(map(str, one.keys() ^ other.keys()))[:3]} in one of them alone"]
        return [place for key in one for place in _differing(one[key], other[key], f"{name}/{key}")][:3]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [place for key in range(len(one)) for place in _differing(one[key], other[key], f"{name}/{key}")][:3]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if torch.equal(one, other) else [name]
    both_undefined = one != one and other != other  # NaN
    return [] if one == other or both_undefined else [f"{name}: {str(one)[:60]}, {str(other)[:60]}"]
