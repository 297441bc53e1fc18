"""Does the runs of a table, several at a time, each after those that it needs; a failed run ends no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vclr_pl.runner.paper_table import PlannedRun
from vclr_pl.runner.run_process import LOOK_SECONDS, Job, Outcome, Worker
from vclr_pl.stop import stop_if_requested, stop_requested


@dataclass(kw_only=True)
class RunQueue:
    """
    Args:
        runs: to do, in the order in which they begin where nothing keeps them.
        workers: as many runs are done at a time.
        job: of a run.
        begun: called when a run begins.
        ended: called when it has ended.
        left_out: called with a run that cannot begin, and why.
    """

    runs: Sequence[PlannedRun]
    workers: Sequence[Worker]
    job: Callable[[PlannedRun], Job]
    begun: Callable[[PlannedRun], None]
    ended: Callable[[PlannedRun, Outcome], None]
    left_out: Callable[[PlannedRun, str], None]
    failed: dict[str, str] = field(default_factory=dict)  # lines by the name of the run; of runs that need a failed one too

    def work(self) -> Mapping[str, str]:
        """Do all runs; returns the lines of those that failed, by name.

        Raises:
            Stopped: a signal asked this process to stop. The present runs have stopped where nothing is lost.
        """
        waiting, present = list(self.runs), dict[int, PlannedRun]()
        asked = False
        try:
            while waiting or present:
                for number, worker in enumerate(self.workers):
                    if number in present and (outcome := worker.outcome()) is not None:
                        self._end(present.pop(number), outcome)
                    if number not in present and stop_requested() is None:
                        self._begin_next(number, worker, waiting=waiting, present=present)
                if stop_requested() is not None:
                    for number in present if not asked else ():
                        self.workers[number].stop()
                    asked = True
                    if not present:
                        break
                if present:
                    time.sleep(LOOK_SECONDS)
        finally:
            for number in present:  # after an error
                self.workers[number].stop()
            for worker in self.workers:
                worker.close()
        stop_if_requested()
        return self.failed

    def _begin_next(self, number: int, worker: Worker, *, waiting: list[PlannedRun], present: dict[int, PlannedRun]) -> None:
        """Begin the first run that waits for no other; leave out those that need a failed one."""
        for blocked in [run for run in waiting if any(name in self.failed for name in run.needs)]:
            cause = next(name for name in blocked.needs if name in self.failed)
            self.failed[blocked.name] = f"needs {cause}, which has failed"
            waiting.remove(blocked)
            self.left_out(blocked, self.failed[blocked.name])
        unfinished = {run.name for run in (*waiting, *present.values())}
        run = next((run for run in waiting if not unfinished.intersection(run.needs)), None)
        if run is not None:
            waiting.remove(run)
            present[number] = run
            self.begun(run)
            worker.begin(self.job(run))

    def _end(self, run: PlannedRun, outcome: Outcome) -> None:
        if outcome.line is not None and not (outcome.stopped and stop_requested() is not None):
            self.failed[run.name] = outcome.line
        self.ended(run, outcome)
