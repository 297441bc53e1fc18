"""The order of runs, what a failure costs, and a stop; by workers that take no time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.unit.runner.test_paper_table import planned

from vclr_pl.runner.paper_table import PlannedRun
from vclr_pl.runner.run_process import Job, Outcome
from vclr_pl.runner.run_queue import RunQueue
from vclr_pl.stop import Stopped, listening


class Instant:
    """Ends a job when it is asked for the outcome; stops it where it was asked to."""

    def __init__(self, *, failing: str = "", stopping_at: str = "") -> None:
        self.failing, self.stopping_at = failing, stopping_at
        self.job: Job | None = None
        self.stops, self.closed = 0, False

    def begin(self, job: Job) -> None:
        self.job = job
        if str(job.folder) == self.stopping_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def outcome(self) -> Outcome | None:
        assert self.job is not None
        failed = str(self.job.folder) == self.failing
        return Outcome(seconds=1, line="no disk" if failed else "stopped" if self.stops else None, stopped=bool(self.stops))

    def stop(self) -> None:
        self.stops += 1

    def close(self) -> None:
        self.closed = True


def worked(workers: list[Instant], runs: list[PlannedRun]) -> tuple[RunQueue, list[str]]:
    begun: list[str] = []
    queue = RunQueue(
        runs=runs,
        workers=workers,
        job=lambda run: Job(command=run.command, task="", words=(), folder=Path(run.name)),
        begun=lambda run: begun.append(run.name),
        ended=lambda run, outcome: begun.append(f"end of {run.name}"),
        left_out=lambda run, line: begun.append(f"end of {run.name} that {line}"),
    )
    return queue, begun


def test_runs_begin_after_those_that_they_need() -> None:
    runs = planned()[:5]
    queue, begun = worked([Instant(), Instant(), Instant()], [runs[4], *runs[:4]])
    assert queue.work() == {}
    needed = {f"end of {name}" for name in runs[4].needs}
    assert needed <= set(begun[: begun.index(runs[4].name)])
    assert sum(not event.startswith("end of") for event in begun) == 5


def test_a_failure_costs_the_runs_that_need_it() -> None:
    runs = planned()[:5]
    queue, begun = worked([Instant(failing=runs[1].name)], runs)
    assert queue.work() == {runs[1].name: "no disk", runs[4].name: f"needs {runs[1].name}, which has failed"}
    assert runs[4].name not in begun
    assert f"end of {runs[3].name}" in begun
    assert begun.count(f"end of {runs[4].name} that needs {runs[1].name}, which has failed") == 1


def test_a_stop_ends_the_present_runs_and_begins_no_other() -> None:
    runs = planned()[:5]
    workers = [Instant(stopping_at=runs[1].name), Instant(stopping_at=runs[1].name)]
    queue, begun = worked(workers, runs)
    with listening(), pytest.raises(Stopped):
        queue.work()
    assert sum(not event.startswith("end of") for event in begun) < 5
    assert all(worker.closed for worker in workers)
    assert queue.failed == {}
