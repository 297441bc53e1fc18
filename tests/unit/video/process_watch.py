"""Which processes run, asked of the system."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def runs(process: int) -> bool:
    """Also a zombie, which nobody has waited for."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def parent_of(process: int) -> int:
    return int(_status(process).rsplit(")", 1)[1].split()[1])


def children_of(process: int) -> set[int]:
    """Those that run."""
    _status(process)
    return {int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()}


def threads_of(process: int) -> int:
    return len(list(Path(f"/proc/{process}/task").iterdir()))


def _status(process: int) -> str:
    if not Path("/proc/self/stat").exists():
        pytest.skip("no /proc to see processes in")
    return Path(f"/proc/{process}/stat").read_text()
