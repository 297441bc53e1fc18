"""The plan of `reproduce`: the runs of the table, their state, and the time that they take."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vclr_pl.report.plan import end_of_day, rough, seconds_of
from vclr_pl.runner.next_commands import given_words
from vclr_pl.runner.paper_table import RESUMABLE, PaperTable, PlannedRun, key_of, last_of_each_key, listed
from vclr_pl.runner.python_call import in_grammar, words_of
from vclr_pl.runner.run_ledger import Ledger, State
from vclr_pl.runner.run_process import Job
from vclr_pl.runner.table_input import refuse_bad_input
from vclr_pl.text import redacted
from vclr_pl.types import InputError

TASKS = {
    "train": "vclr_pl.command.training.train",
    "finetune": "vclr_pl.command.training.finetune",
    "evaluate": "vclr_pl.command.evaluation.evaluate",
    "compare": "vclr_pl.command.comparison.compare",
    "localize": "vclr_pl.command.localization.localize",
}
TIME = re.compile(r"^time: about (.+?), until ", re.MULTILINE)  # of the plan of a training
UNSHOWN = ("jobs", "plan", "repeat_changed")  # they do not change the figures
UNTRAINED = ("encoder=random", "backbone=resnet50")  # for the plan, where the encoder has not been trained: the paper's network


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A table, its runs, and what is known of them.

    Args:
        name: of the table.
        command: with all options that were given but those that do not change the figures.
        folder: of the table's results.
        runs: all but those that are left out.
        left_out: runs that need a folder or file that is not named, and what they need.
        options: further options in words, of one command each.
        places: options of every run for the folders of runs, data and features.
        roots: folders of videos by data set.
        jobs: runs at the same time.
    """

    name: str
    command: str
    table: PaperTable
    folder: Path
    ledger: Ledger
    runs: Sequence[PlannedRun]
    left_out: Mapping[str, str]
    options: Sequence[str]
    places: Sequence[str]
    roots: Mapping[str, str]
    jobs: int

    def job(self, run: PlannedRun) -> Job:
        """The command of a run."""
        words = run.command_line(folder=self.ledger.folder, roots=self.roots, weights=self.ledger.weights)
        return Job(command=run.command, task=TASKS[run.command], words=(*self.places, *words), folder=self.ledger.folder / run.name)

    def to_do(self) -> list[PlannedRun]:
        """The runs that have not finished."""
        return [run for run in self.runs if self.ledger.state(run) is not State.FINISHED]


def reproduction_of(config: DictConfig) -> Reproduction:
    """The runs of the config's table, with what is known of them.

    Raises:
        InputError: a value of the config is wrong.
    """
    content: Any = OmegaConf.to_container(config, resolve=True)
    refuse_bad_input(content)
    table: PaperTable = instantiate(config.table)
    weights, roots = ({name: str(path) for name, path in content[kind].items() if path is not None} for kind in ("weights", "roots"))
    options = {command: option_words(given) for command, given in content["options"].items()}
    runs = table.planned(weights=weights, options=options)
    used = {run.command for run in runs}
    base = Path(config.paths.runs).absolute() / config.name
    left_out = left_out_runs(runs, roots=roots, weights=weights)
    name = str(HydraConfig.get().runtime.choices["table"])
    return Reproduction(
        name=name,
        command=shown_command(name),
        table=table,
        folder=base / name,
        ledger=Ledger(base, {run.name: run for run in runs}, weights, roots),
        runs=[run for run in runs if run.name not in left_out],
        left_out=left_out,
        options=[f"{command}: {' '.join(words)}" for command, words in options.items() if words and command in ("all", *used)],
        places=[f"paths.{name}={in_grammar(str(Path(content['paths'][name]).absolute()))}" for name in ("runs", "data", "features")],
        roots=roots,
        jobs=config.jobs,
    )


def shown_command(table: str) -> str:
    """`python -m vclr_pl.reproduce table=demo 'table.seeds=[0]'`: the running command, for the results."""
    kept = [word for word in given_words() if key_of(word) not in ("table", *UNSHOWN)]
    return redacted(shlex.join(["python", "-m", "vclr_pl.reproduce", f"table={table}", *kept]))


def option_words(given: Mapping[str, Any] | Sequence[str] | None) -> list[str]:
    """Further options as words of a command line: those of a mapping, or the words themselves."""
    return words_of(given) if isinstance(given, Mapping) else [*(given or ())]


def left_out_runs(runs: Sequence[PlannedRun], *, roots: Mapping[str, str], weights: Mapping[str, str]) -> dict[str, str]:
    """What each run lacks, by its name: the option of a folder or file, or the run that lacks one."""
    lacking: dict[str, str] = {}
    for run in runs:
        absent = [f"roots.{name}=DIR" for name in run.places("root") if name not in roots]
        absent += [f"weights.{name}=FILE" for name in run.places("weights") if name not in weights]
        absent = absent or [need for need in run.needs if need in lacking]
        if absent:
            lacking[run.name] = f"needs {listed(absent)}"
    return lacking


def plan_lines(found: Reproduction, *, in_full: bool, measured: Mapping[str, float]) -> list[str]:
    """How many runs there are, and how long they take; with `in_full` each run and its state.

    Args:
        measured: seconds of a run of each kind, from the first steps of one.
    """
    states = {run.name: found.left_out.get(run.name) or found.ledger.state(run).value for run in found.ledger.runs.values()}
    to_do = [run for run in found.runs if states[run.name] != State.FINISHED.value]
    expected = found.ledger.expected_seconds(found.runs, measured=measured)
    width = max(map(len, states))
    lines = [
        f"{run.command:8}  {run.name:{width}}  {states[run.name]}{_note(found, run, states[run.name], expected.get(run.name))}"
        for run in (found.ledger.runs.values() if in_full else ())
    ]
    for kind in dict.fromkeys(run.kind for run in found.ledger.runs.values()) if not in_full else ():
        own = [run for run in found.ledger.runs.values() if run.kind == kind]
        counts = Counter("left out" if run.name in found.left_out else states[run.name] for run in own)
        lines.append(f"{own[0].command:8}  {kind}: {', '.join(f'{count} {state}' for state, count in counts.items())}")
    left = f", {len(found.left_out)} left out" if found.left_out else ""
    lines.append(f"{len(states)} runs{left}, {len(to_do)} to do: {time_left(to_do, expected=expected, jobs=found.jobs)}")
    return lines


def _note(found: Reproduction, run: PlannedRun, state: str, seconds: float | None) -> str:
    """Why a run is repeated, and the time that it takes."""
    change = f" ({found.ledger.change(run)})" if state == State.CHANGED.value else ""
    took = "" if seconds is None else f", {'took' if state == State.FINISHED.value else 'about'} {rough(seconds)}"
    return change + took


def time_left(to_do: Sequence[PlannedRun], *, expected: Mapping[str, float | None], jobs: int) -> str:
    """`about 1.2 h with jobs=2, until 14:05`; runs of unknown length are counted."""
    known = [seconds for run in to_do if (seconds := expected[run.name]) is not None]
    unknown = len(to_do) - len(known)
    if not to_do:
        return "nothing"
    if not known:
        return "the time is unknown; plan=measured measures it"
    seconds = sum(known) / min(jobs, len(known))
    more = f", and {unknown} of unknown length" if unknown else ""
    return f"about {rough(seconds)}{f' with jobs={jobs}' if jobs > 1 else ''}, until {end_of_day(seconds)}{more}"


def measured_seconds(found: Reproduction) -> dict[str, float]:
    """Seconds of one run of each kind of training, from a trial of 20 seconds in a process of its own.

    Where the encoder of a fine-tuning has not been trained, the trial takes the paper's network at random initialization.

    Raises:
        InputError: a training is refused.
    """
    seconds: dict[str, float] = {}
    for run in found.to_do():
        if run.command not in RESUMABLE or run.kind in seconds:
            continue
        words = [word for word in found.job(run).words if key_of(word) not in ("resume", "hydra.run.dir")]
        if any(found.ledger.state(found.ledger.runs[name]) is not State.FINISHED for name in run.needs):
            words = last_of_each_key([*UNTRAINED[1:], *words, UNTRAINED[0]])
        command = [sys.executable, "-m", f"vclr_pl.{run.command}", *words, "plan=true"]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:  # the trial removes its folder, and those around it
            folder = in_grammar(str(Path(place) / "runs" / "trial" / "run"))
            command.append(f"hydra.run.dir={folder}")
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        time = TIME.search(done.stdout)
        if time is None:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise InputError(expected=f"a plan of {run.name}", got=said.removeprefix("error: "), hint="Correct it, or use plan=true.")
        seconds[run.kind] = seconds_of(time[1])
    return seconds
