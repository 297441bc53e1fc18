from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from vclr_pl.callback.pace import PacedWork


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`now` seconds on the wall, of which a CPU core computed `busy`."""
    times = SimpleNamespace(now=100.0, busy=0.0)
    monkeypatch.setattr("vclr_pl.callback.pace.time.perf_counter", lambda: times.now)
    monkeypatch.setattr("vclr_pl.callback.pace.time.thread_time", lambda: times.busy)
    return times


def next_time(work: PacedWork, clock: Any) -> float:
    """Seconds until the work is due, in steps of a tenth."""
    start = clock.now
    while not work.is_due():
        clock.now += 0.1
    return round(clock.now - start, 1)


def pace(**changes: float) -> PacedWork:
    return PacedWork(**{"every_seconds": 10.0, "share_of_time": 0.005, "longest_seconds": math.inf, **changes})


def test_work_takes_at_most_its_share_of_the_time(clock: Any) -> None:
    work = pace()
    assert work.is_due()
    for expected in (10.0, 200.0):  # the first does not count
        with work.counted():
            clock.now, clock.busy = clock.now + 1.0, clock.busy + 1.0
        assert next_time(work, clock) == pytest.approx(expected, abs=0.11)


def test_work_that_fails_counts(clock: Any) -> None:
    work = pace()
    with pytest.raises(OSError, match="full"), work.counted():
        raise OSError("full")
    assert next_time(work, clock) == pytest.approx(10.0, abs=0.11)


def test_waiting_does_not_count_and_a_long_wait_ends(clock: Any) -> None:
    work = pace(longest_seconds=30.0)
    for now, busy, expected in ((5.0, 5.0, 10.0), (60.0, 0.05, 10.0), (1.0, 1.0, 30.0)):
        with work.counted():
            clock.now, clock.busy = clock.now + now, clock.busy + busy
        assert next_time(work, clock) == pytest.approx(expected, abs=0.11)


def test_work_can_be_postponed(clock: Any) -> None:
    work = pace()
    work.postpone()
    assert next_time(work, clock) == pytest.approx(10.0, abs=0.11)
