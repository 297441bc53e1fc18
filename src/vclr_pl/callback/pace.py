"""How often work beside the training is done."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator


class PacedWork:
    """Allows work at most once in `every_seconds`, and no more than `share_of_time` of the time.

    What counts is the time that a CPU core computes for it. The time in which the work waits, on a busy machine or a slow disk, does
    not. The first work does not count: it loads what the later ones need.

    Args:
        longest_seconds: the work is due after this time at the latest, whatever it takes.
    """

    def __init__(self, *, every_seconds: float, share_of_time: float, longest_seconds: float = math.inf) -> None:
        self.every_seconds, self.share_of_time, self.longest_seconds = every_seconds, share_of_time, longest_seconds
        self._next, self._is_first = 0.0, True

    def is_due(self) -> bool:
        return time.perf_counter() >= self._next

    def postpone(self) -> None:
        """The next work is due in `every_seconds`."""
        self._next = time.perf_counter() + self.every_seconds

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time of the block, also of one that fails."""
        started = time.thread_time()
        try:
            yield
        finally:
            cost = 0.0 if self._is_first else time.thread_time() - started
            self._is_first = False
            self._next = time.perf_counter() + max(self.every_seconds, min(self.longest_seconds, cost / self.share_of_time))
