"""Kill commands at random moments and start them again: is the end that of a command that was never killed?

    python benchmarks/kill.py                                  # 50 kills; --kills 6 --seed 1 for a few
    python benchmarks/kill.py --kills 50 --json benchmarks/results/kill_<hardware>_<yyyymm>.json

Each kill starts one of three commands anew: `train resume=auto` with one process, with two, and `evaluate`, which extracts features.
SIGKILL, SIGTERM or SIGINT meets it while it starts, trains, saves, evaluates or extracts. Then the same command line is started until it
ends, and its files are compared to the bit with those of the undisturbed command: the whole checkpoint (weights, queues, optimizer, loops,
the loader's place, callbacks, batch norms of each process), metrics.csv, results.json, features. Only measured times and the run's path may
differ (`killed_command.py` lists them). No process and no temporary file may be left. Exits with 1 if a comparison fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from killed_command import SECONDS_OF_COMMAND, SECONDS_TO_END, KilledCommand, differences

TINY = [
    *("data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=32"),
    *("backbone.widths=[8,16]", "trainer.precision=32-true", "page=null"),
]
TRAIN = [
    *TINY,
    *("transform.size_pixels=32", "head.dim=8", "queue.inter.length=48", "queue.segment.length=16", "loader.workers=1"),
    *("trainer.max_epochs=4", "trainer.log_every_n_steps=1", "schedule.warmup_epochs=1", "callback.checkpoint.every_n_epochs=2"),
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
        "protocol.frames=4",
        "protocol.crop_pixels=32",
    ],
}
# The line that begins a phase; `saving` begins when a checkpoint is being written.
PHASES = {
    "starting": "",
    "training": "step ",
    "saving": "step ",
    "evaluating": "evaluating the trained encoder",
    "extracting": "view: ",
}
PHASES_OF = {"evaluate": ["starting", "extracting"]}
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
CODES = {signal.SIGKILL: (-9, 137), signal.SIGTERM: (143,), signal.SIGINT: (130,)}
STARTS = 6  # at most, of one command line


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
    parser.add_argument("--fork", action="store_true", help="start commands of one process as forks, which saves their imports")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="folder in which failed trials are kept")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    chosen: dict[str, Any] = {"signals": [signal.Signals[name] for name in arguments.signals], "commands": arguments.commands}
    trials, failed = list[Trial](), 0
    with tempfile.TemporaryDirectory(prefix="kill_") as temporary:
        folders = Folders(Path(temporary), kept=arguments.keep, forks=arguments.fork)
        for trial in kills(folders, count=arguments.kills, seed=arguments.seed, **chosen):
            trials.append(trial)
            failed += bool(trial.wrong)
            if arguments.json:
                content = {"seed": arguments.seed, "failed": failed, "trials": [asdict(one) for one in trials]}
                arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{len(trials) - failed} of {len(trials)} kills end like the undisturbed command")
    return int(bool(failed))


@dataclass(frozen=True)
class Folders:
    """Where commands run, where those that end differently are kept, and whether they start as forks."""

    root: Path
    kept: Path | None
    forks: bool

    def command(self, name: str, *, folder: str) -> KilledCommand:
        """In a folder of its own."""
        module, *words = COMMANDS[name]
        is_fork = self.forks and "2 processes" not in name
        return KilledCommand(self.root / folder, data=self.root / "data", module=module, words=words, is_fork=is_fork)


def kills(folders: Folders, *, count: int, seed: int, signals: list[signal.Signals], commands: list[str]) -> Iterator[Trial]:
    """The trials, each compared with its command's undisturbed run."""
    draw, wholes = random.Random(seed), {}
    for name in commands:
        wholes[name] = folders.command(name, folder=f"whole_{len(wholes)}")
        code = wholes[name].ended(wholes[name].started())
        assert code == 0, f"{name} ends with {code} undisturbed:\n{wholes[name].shown()}"
    for number in range(count):
        name = commands[number % len(commands)]
        phases = PHASES_OF.get(name, ["starting", "training", "saving", "evaluating"])
        stop = signals[(number % len(commands) + number // len(commands)) % len(signals)]
        trial = Trial(name, draw.choice(phases), stop.name, round(draw.uniform(0, 3) ** 2 / 3, 3), to_all=draw.random() < 0.5)
        command = folders.command(name, folder=str(number))
        tried(trial, command, whole=wholes[name])
        print(
            f"{number + 1}/{count} {trial.command}: {trial.signal} while {trial.phase}, code {trial.code}, {trial.starts} starts: "
            f"{'; '.join(trial.wrong) or 'equal'}",
            flush=True,
        )
        if trial.wrong and folders.kept is not None:
            shutil.copytree(command.folder, folders.kept / str(number), ignore=shutil.ignore_patterns("tmp"), dirs_exist_ok=True)
        shutil.rmtree(command.folder)
        yield trial


def tried(trial: Trial, command: KilledCommand, *, whole: KilledCommand) -> None:
    """Start, kill at the trial's moment, start again until the command ends, and compare."""
    process, stop = command.started(), signal.Signals[trial.signal]
    wait_for(trial, command, process)
    for target in {process.pid, *(command.processes() if trial.to_all else ())}:
        try:
            os.kill(target, stop)
        except ProcessLookupError:
            continue
    code = command.ended(process, seconds=SECONDS_TO_END)
    trial.code = code if isinstance(code, int) else None
    if isinstance(code, str):
        trial.wrong.append(code)
    elif code not in (0, *CODES[stop]) and trial.phase != "starting":  # Python's own handlers, before those of the command
        trial.wrong.append(f"exit code {code}: {command.shown()}")
    trial.wrong += command.orphans()
    again: int | str = -1
    while again != 0 and trial.starts < STARTS:
        trial.starts += 1
        again = command.ended(command.started())
    if again != 0:
        trial.wrong.append(f"started again it ends with {again}: {command.shown()}")
    trial.wrong += [*command.orphans(), *differences(whole, command)]


def wait_for(trial: Trial, command: KilledCommand, process: Any) -> None:
    """Until the moment of the trial, or the end of the command."""
    end, line = time.monotonic() + SECONDS_OF_COMMAND, PHASES[trial.phase].encode()
    while process.poll() is None and time.monotonic() < end:
        is_begun = line in command.output.read_bytes()
        if is_begun and (trial.phase != "saving" or any(command.runs.glob("*/*/checkpoints/.*"))):
            break
        time.sleep(0.001 if is_begun else 0.02)
    if trial.phase != "saving":
        time.sleep(trial.delay_seconds)


if __name__ == "__main__":
    sys.exit(main())
