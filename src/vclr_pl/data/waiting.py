"""The time in which training waits for batches."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch


class Wait(Protocol):
    """Seconds of waiting so far, and a block in which a batch is awaited."""

    @property
    def seconds(self) -> float: ...

    def counted(self) -> contextlib.AbstractContextManager[None]: ...


class ProcessWait:
    """The time that the process waits. On a CPU it is also the one that computes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        requested = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - requested


class DeviceWait:
    """The time in which a GPU has nothing to compute because the batch is not there.

    Two events in the GPU's queue enclose each wait. The first is reached when all earlier work is done, the second not before the batch is
    there. The time between them is about 0 where the GPU still computes when the batch arrives. Reading them never waits for the GPU: a
    wait counts once the GPU has passed its second event.

    Args:
        event: makes an event that can be recorded and measures time.
    """

    def __init__(self, event: Callable[[], Any] | None = None) -> None:
        self._event = event or (lambda: torch.cuda.Event(enable_timing=True))
        self._unread: deque[tuple[Any, Any]] = deque()
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        self._count()
        return self._seconds

    def _count(self) -> None:
        while self._unread and self._unread[0][1].query():
            before, after = self._unread.popleft()
            self._seconds += before.elapsed_time(after) / 1000

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        before, after = self._event(), self._event()
        before.record()
        try:
            yield
        finally:
            after.record()
            self._unread.append((before, after))
            self._count()
