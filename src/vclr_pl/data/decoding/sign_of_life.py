"""A decoder's word that it still works, so that a time limit ends what hangs and not what is long.

The process that decodes for another listens; elsewhere nobody does, and `still_working` costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_BETWEEN_SIGNS_SECONDS = 0.2

_listener: Callable[[], None] | None = None
_told_seconds = 0.0


def listen(listener: Callable[[], None]) -> None:
    """`listener` is called while this process decodes, a few times a second at most."""
    global _listener
    _listener = listener


def still_working() -> None:
    """To be called for each frame that is decoded, and each packet of a scan."""
    global _told_seconds
    if _listener is None:
        return
    now = time.monotonic()
    if now - _told_seconds > _BETWEEN_SIGNS_SECONDS:
        _told_seconds = now
        _listener()
