"""`reproduce`: the runs of a table, one after another, and our figures beside the published ones."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from omegaconf import DictConfig

from vclr_pl.command.reproduced_figures import concluded
from vclr_pl.command.result import ReproduceResult
from vclr_pl.command.table_plan import Reproduction, measured_seconds, plan_lines, reproduction_of, time_left
from vclr_pl.files import available_cores
from vclr_pl.report.plan import rough
from vclr_pl.runner.paper_table import PlannedRun, refuse_missing
from vclr_pl.runner.run import remove_folder_of_refused
from vclr_pl.runner.run_ledger import State
from vclr_pl.runner.run_process import OUTPUT, Outcome, OwnProcess, SharedProcess, Worker
from vclr_pl.runner.run_queue import RunQueue
from vclr_pl.runner.table_input import MEASURED
from vclr_pl.store import FolderLock
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

STATELESS = ("evaluate", "compare")


def reproduce(config: DictConfig) -> ReproduceResult:
    """Show the plan; do the runs that have not finished, unless `plan`; print and write the table of those that have.

    Raises:
        InputError: a value is wrong, a folder of videos is missing, a run has changed, or another command works in the same folder.
        Stopped: a signal asked to stop; the table of the finished runs is written.
    """
    found = reproduction_of(config)
    if not config.plan and not config.skip_missing:
        refuse_missing(found.ledger.runs.values(), roots=config.roots, weights=config.weights)
    measured = measured_seconds(found) if config.plan == MEASURED else {}
    for line in plan_lines(found, in_full=bool(config.plan), measured=measured):
        logger.info("%s", line)
    if config.plan:
        logger.info("this was the plan; without plan=%s the runs begin", str(config.plan).lower())
        result = concluded(found, failed={}, written=False)
        remove_folder_of_refused()
        return result
    with works_alone(found.ledger.folder, table=found.folder):
        settle_changed(found, repeat=config.repeat_changed)
        failed: Mapping[str, str] = {}
        try:
            failed = Work(found).failed()
        finally:  # after a stop too
            result = concluded(found, failed=failed, written=True)
    return result


@contextlib.contextmanager
def works_alone(folder: Path, *, table: Path) -> Iterator[None]:
    """Lock the folder of all tables, which share runs: another table could train in the same run folder. The lock of the table's own folder
    keeps its log when another command is refused.

    Raises:
        InputError: another command works in the folder.
    """
    table.mkdir(parents=True, exist_ok=True)
    locks = {place: FolderLock(place) for place in (folder, table)}
    try:
        for place, lock in locks.items():
            if not lock.acquired_after_wait():
                holder = f"{place}, in which {lock.holder()} works"
                hint = "Wait for its end, stop it, or set name=NAME for another folder."
                raise InputError(expected="a folder in which no other reproduce works", got=holder, hint=hint)
        yield
    finally:
        for lock in locks.values():
            lock.release()


def settle_changed(found: Reproduction, *, repeat: bool) -> None:
    """Put runs with other options, encoders or videos aside, so that they are repeated. Evaluations keep no state, so they stay in place.

    Raises:
        InputError: there are such trainings with checkpoints, and they are not to be repeated.
    """
    changed = [run for run in found.runs if found.ledger.state(run) is State.CHANGED]
    changes = {run.name: found.ledger.change(run) for run in changed}
    kept = [run for run in changed if run.command not in STATELESS and found.ledger.has_work(run)]
    if kept and not repeat:
        first, more = kept[0], f", and {len(kept) - 1} more such runs" if len(kept) > 1 else ""
        raise InputError(
            expected=f"the options, encoder and videos with which {first.name} was begun",
            got=f"{changes[first.name]}{more}",
            hint="Set name=NAME for runs in another folder, or repeat_changed=true to repeat them; the earlier ones are kept beside.",
        )
    for run in changed:
        place = "it is repeated" if run.command in STATELESS else f"the earlier run is in {found.ledger.put_aside(run)}"
        logger.info("%s has changed (%s): %s", run.name, changes[run.name], place)


class Work:
    """The runs that have not finished, done."""

    def __init__(self, found: Reproduction) -> None:
        self.found, self.to_do = found, found.to_do()
        self.left = list(self.to_do)
        self.done = len(found.runs) - len(self.to_do)

    def failed(self) -> Mapping[str, str]:
        """Do the runs; returns the last line of each that failed, by name."""
        jobs, short = self.found.jobs, self.found.table.short_runs
        threads = max(1, available_cores() // jobs) if jobs > 1 else None
        # Short runs have one thread: sums of several differ in the last digit, and the figures would depend on `jobs`.
        workers: list[Worker] = [
            SharedProcess(threads=1) if short else OwnProcess(shown=jobs == 1, threads=threads) for _ in range(min(jobs, len(self.to_do)))
        ]
        return RunQueue(
            runs=self.to_do,
            workers=workers,
            job=self.found.job,
            begun=self.begun,
            ended=self.ended,
            left_out=self.left_out,
        ).work()

    def begun(self, run: PlannedRun) -> None:
        self.found.ledger.begin(run)
        if not self.found.table.short_runs:
            logger.info("%s begins in %s", run.name, self.found.ledger.folder / run.name)

    def ended(self, run: PlannedRun, outcome: Outcome) -> None:
        finished = outcome.line is None
        failure = None if finished or outcome.stopped else outcome.line
        self.found.ledger.end(run, seconds=outcome.seconds, finished=finished, failure=failure)
        if outcome.stopped:
            return
        place = self.counted(run)
        if failure is not None:
            logger.warning("%s failed: %s (%s)", place, failure, self.found.ledger.folder / run.name / OUTPUT)
            return
        expected = self.found.ledger.expected_seconds(self.left, measured={})
        known = any(seconds is not None for seconds in expected.values())
        left = f"; left: {time_left(self.left, expected=expected, jobs=self.found.jobs)}" if known else ""
        logger.info("%s: %s%s", place, rough(outcome.seconds), left)

    def left_out(self, run: PlannedRun, line: str) -> None:
        logger.warning("%s is left out: it %s", self.counted(run), line)

    def counted(self, run: PlannedRun) -> str:
        """`[3/40] NAME`: the third run that needs no more work."""
        self.left.remove(run)
        self.done += 1
        return f"[{self.done}/{len(self.found.runs)}] {run.name}"
