"""Kill commands at random moments and start them again: is the end that of a command that was never killed?

    python benchmarks/kill.py                                  # 50 kills; --kills 6 --seed 1 for a few
    python benchmarks/kill.py --kills 50 --json benchmarks/results/kill_<hardware>_<yyyymm>.json

Each kill starts one of three commands anew: `train resume=auto` with one process, with two, and `evaluate`, which extracts features.
SIGKILL, SIGTERM or SIGINT meets it while it starts, trains, saves, evaluates or extracts. Then the same command line is started until it
ends, and its files are compared to the bit with those of the undisturbed command: weights, queues, optimizer, metrics.csv, results.json,
features. No process and no temporary file may be left. Exits with 1 if a comparison fails.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

MARK = "VCLR_KILL_TRIAL"  # variable of the killed command, by which its processes are found
TINY = [
    *("data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=32"),
    *("backbone.widths=[8,16]", "trainer.precision=32-true", "page=null"),
]
TRAIN = [
    *TINY,
    *("transform.size_pixels=32", "head.dim=8", "queue.inter.length=48", "queue.segment.length=16", "loader.workers=1"),
    *("trainer.max_epochs=6", "trainer.log_every_n_steps=1", "schedule.warmup_epochs=1", "callback.checkpoint.every_n_epochs=2"),
    *("callback.knn_monitor.every_n_epochs=2", "resume=auto"),
]
COMMANDS = {
    "train, 1 process": ["vclr_pl.train", *TRAIN, "trainer=cpu", "loader.batch_size=4"],
    "train, 2 processes": ["vclr_pl.train", *TRAIN, "trainer=ddp_cpu", "loader.batch_size=2"],
    "evaluate": [
        "vclr_pl.evaluate",
        *TINY,
        "encoder=random",
        "backbone=small_resnet",
        "data=demo",
        "trainer=cpu",
        "hydra.run.dir={runs}/evaluate",
    ],
}
# The line that begins a phase; `saving` begins when a checkpoint is being written.
PHASES = {
    "starting": "",
    "training": "step ",
    "saving": "step ",
    "evaluating": "evaluating the trained encoder",
    "extracting": "view",
}
PHASES_OF = {"evaluate": ["starting", "extracting"]}
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
CODES = {signal.SIGKILL: (-9, 137), signal.SIGTERM: (143,), signal.SIGINT: (130,)}
TIMED = ("train/data_wait_percent", "train/videos_per_second")  # columns that are measured times
# Of torch, which every run leaves; sockets of multiprocessing, which no process can remove after SIGKILL.
OF_OTHERS = ("torchinductor_", "pymp-")
STARTS = 6
SECONDS_OF_COMMAND, SECONDS_TO_END = 900, 60


@dataclass
class Trial:
    """One kill: what was met, and what is wrong at the end."""

    command: str
    phase: str
    signal: str
    delay_seconds: float
    to_all: bool
    code: int | None = None
    starts: int = 1
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signals", nargs="*", default=[one.name for one in SIGNALS], help="SIGKILL SIGTERM SIGINT")
    parser.add_argument("--commands", nargs="*", default=list(COMMANDS), help=", ".join(COMMANDS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="folder in which failed trials are kept")
    arguments = parser.parse_args()
    chosen: dict[str, Any] = {"signals": [signal.Signals[name] for name in arguments.signals], "commands": arguments.commands}
    with tempfile.TemporaryDirectory(prefix="kill_") as temporary:
        trials = list(kills(Path(temporary), count=arguments.kills, seed=arguments.seed, keep=arguments.keep, **chosen))
    failed = [trial for trial in trials if trial.wrong]
    print(f"{len(trials) - len(failed)} of {len(trials)} kills end like the undisturbed command")
    if arguments.json:
        content = {"seed": arguments.seed, "failed": len(failed), "trials": [asdict(one) for one in trials]}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    return int(bool(failed))


def kills(
    folder: Path, *, count: int, seed: int, signals: list[signal.Signals], commands: list[str], keep: Path | None = None
) -> Iterator[Trial]:
    """The trials, each compared with its command's undisturbed run."""
    draw, wholes = random.Random(seed), {}
    for name in commands:
        wholes[name] = Place(folder / "whole" / name.replace(", ", "_").replace(" ", "_"), data=folder / "data", name=name)
        code = wholes[name].ended(wholes[name].started())
        assert code == 0, f"{name} ends with {code} undisturbed:\n{wholes[name].output.read_text()[-3000:]}"
    for number in range(count):
        name = commands[number % len(commands)]
        phases = PHASES_OF.get(name, ["starting", "training", "saving", "evaluating"])
        stop = signals[number // len(commands) % len(signals)]
        trial = Trial(name, draw.choice(phases), stop.name, round(draw.uniform(0, 3) ** 2 / 3, 3), to_all=draw.random() < 0.5)
        place = Place(folder / str(number), data=folder / "data", name=name)
        place.tried(trial, whole=wholes[name])
        print(
            f"{number + 1}/{count} {trial.command}: {trial.signal} while {trial.phase}, code {trial.code}, {trial.starts} starts: "
            f"{'; '.join(trial.wrong) or 'equal'}",
            flush=True,
        )
        if trial.wrong and keep is not None:
            shutil.copytree(place.folder, keep / str(number), ignore=shutil.ignore_patterns("tmp"), dirs_exist_ok=True)
        shutil.rmtree(place.folder)
        yield trial


class Place:
    """The folders of one command: runs, features and temporary files of its own; the rendered videos are shared."""

    def __init__(self, folder: Path, *, data: Path, name: str) -> None:
        self.folder, self.name, self.mark = folder, name, f"{os.getpid()}_{folder.name}"
        self.runs, self.temporary, self.output = folder / "runs", folder / "tmp", folder / "output.txt"
        self.temporary.mkdir(parents=True)
        module, *words = COMMANDS[name]
        words = [word.format(runs=self.runs) for word in words]
        places = [f"paths.data={data}", f"paths.runs={self.runs}", f"paths.features={folder / 'features'}"]
        self.command = [sys.executable, "-m", module, *words, *places]

    def started(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, MARK: self.mark, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        with self.output.open("ab") as output:
            return subprocess.Popen(
                self.command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=self.folder, start_new_session=True
            )

    def ended(self, process: subprocess.Popen[bytes], *, seconds: float = SECONDS_OF_COMMAND) -> int | str:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            for one in self.processes():
                os.kill(one, signal.SIGKILL)
            process.wait()
            return f"not ended after {seconds:.0f} s"

    def processes(self) -> list[int]:
        """Of the command, by the variable that they inherit; without zombies."""
        found, mark = [], f"{MARK}={self.mark}".encode()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes().split(b"\0") and " Z " not in (path / "stat").read_text():
                    found.append(int(path.name))
            except OSError:  # it has ended, or is another user's
                continue
        return found

    def tried(self, trial: Trial, *, whole: Place) -> None:
        """Start, kill at the trial's moment, start again until the command ends, and compare."""
        process = self.started()
        self._wait_for(trial, process)
        targets = self.processes() if trial.to_all else [process.pid]
        for target in targets:
            try:
                os.kill(target, signal.Signals[trial.signal])
            except ProcessLookupError:
                continue
        code = self.ended(process, seconds=SECONDS_TO_END)
        trial.code = code if isinstance(code, int) else None
        if isinstance(code, str):
            trial.wrong.append(code)
        elif code not in (0, *CODES[signal.Signals[trial.signal]]) and trial.phase != "starting":
            trial.wrong.append(f"exit code {code}")
        self._note_orphans(trial)
        again: int | str = -1
        while again != 0 and trial.starts < STARTS:
            trial.starts += 1
            again = self.ended(self.started())
        if again != 0:
            trial.wrong.append(f"started again it ends with {again}: {self.output.read_text()[-1500:]}")
        self._note_orphans(trial)
        trial.wrong += differences(whole, self)

    def _wait_for(self, trial: Trial, process: subprocess.Popen[bytes]) -> None:
        end, line = time.monotonic() + SECONDS_OF_COMMAND, PHASES[trial.phase].encode()
        while process.poll() is None and time.monotonic() < end:
            is_begun = line in self.output.read_bytes()
            if is_begun and (trial.phase != "saving" or any(self.runs.glob("*/*/checkpoints/.*"))):
                break
            time.sleep(0.001 if is_begun else 0.02)
        if trial.phase != "saving":
            time.sleep(trial.delay_seconds)

    def _note_orphans(self, trial: Trial) -> None:
        end = time.monotonic() + SECONDS_TO_END
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        for one in left:
            trial.wrong.append(f"process left: {Path(f'/proc/{one}/cmdline').read_bytes()[:200]!r}")
            os.kill(one, signal.SIGKILL)


def differences(whole: Place, again: Place) -> list[str]:
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
    return {name: content[name] for name in ("metrics", "baseline", "training", "guess_losses", "chance", "intervals")}


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
    content = torch.load(path, map_location="cpu", weights_only=True)
    return {name: content[name] for name in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step") if name in content}


def _differing(one: Any, other: Any, name: str) -> list[str]:
    """The first places at which two nested values differ, to the bit."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [place for key in one for place in _differing(one[key], other[key], f"{name}/{key}")][:3]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [place for key in range(len(one)) for place in _differing(one[key], other[key], f"{name}/{key}")][:3]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if torch.equal(one, other) else [name]
    return [] if one == other else [f"{name}: {str(one)[:60]}, {str(other)[:60]}"]


if __name__ == "__main__":
    sys.exit(main())
