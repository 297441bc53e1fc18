"""The environment of a user who has set nothing: no variables of W&B, none of CI, a home or none."""

from __future__ import annotations

import os
from pathlib import Path

KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "OMP_NUM_THREADS")  # what this machine needs to run Python at all


def user_environment(*, home: Path | None, **variables: str) -> dict[str, str]:
    """The variables of a process: the machine's, HOME, and `variables`."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | ({} if home is None else {"HOME": str(home)}) | variables
