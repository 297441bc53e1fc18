"""Waits for batches: of a process by its clock, of a GPU by events in its queue."""

from __future__ import annotations

import time

import pytest

from vclr_pl.data.waiting import DeviceWait, ProcessWait


def test_a_process_waits_by_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1.0, 3.5, 10.0, 10.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    wait = ProcessWait()
    with wait.counted():
        pass
    with pytest.raises(ValueError, match="no batch"), wait.counted():
        raise ValueError("no batch")
    assert wait.seconds == 3.0


class Device:
    """A GPU's queue: work is done in order, each piece not before it was given. Times in seconds."""

    def __init__(self) -> None:
        self.now = 0.0  # of the process
        self.busy_until = 0.0

    def compute(self, seconds: float) -> None:
        self.busy_until = max(self.busy_until, self.now) + seconds

    def event(self) -> Event:
        return Event(self)


class Event:
    def __init__(self, device: Device) -> None:
        self.device, self.reached = device, 0.0

    def record(self) -> None:
        self.reached = max(self.device.busy_until, self.device.now)

    def query(self) -> bool:
        return self.device.now >= self.reached

    def elapsed_time(self, end: Event) -> float:
        assert self.query()
        assert end.query(), "CUDA raises where an event was not reached"
        return 1000 * (end.reached - self.reached)


@pytest.mark.parametrize(
    ("computes", "arrives_after", "expected"),
    [
        (5.0, 2.0, 0.0),  # the process waits two seconds for the batch, and the GPU computes meanwhile
        (5.0, 7.0, 2.0),  # it is idle for the last two
        (0.0, 3.0, 3.0),
    ],
)
def test_a_gpu_waits_only_while_it_has_nothing_to_compute(computes: float, arrives_after: float, expected: float) -> None:
    device = Device()
    wait = DeviceWait(device.event)
    device.compute(computes)
    with wait.counted():
        device.now += arrives_after
    device.now += 100
    assert wait.seconds == pytest.approx(expected)


def test_a_wait_counts_once_the_gpu_has_passed_it() -> None:
    """Nothing is waited for: the first of two waits is read, the second not yet."""
    device = Device()
    wait = DeviceWait(device.event)
    for arrives_after in (2.0, 3.0):
        with wait.counted():
            device.now += arrives_after
        device.compute(10.0)
    assert wait.seconds == pytest.approx(2.0)
    with wait.counted():
        device.now += 1.0
    assert wait.seconds == pytest.approx(2.0)
    device.now = 100.0
    assert wait.seconds == pytest.approx(2.0)
