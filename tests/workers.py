"""The processes that a loader under test has started."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import BaseProcess


def workers() -> list[BaseProcess]:
    """Living child processes, without the two of `process_pair`, which last for the session once a test has asked for them."""
    return [child for child in multiprocessing.active_children() if not isinstance(child, ForkServerProcess)]
