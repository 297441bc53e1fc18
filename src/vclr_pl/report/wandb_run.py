"""The end of a job's W&B run where another job follows: it gets a run of its own. Otherwise W&B ends its run with the process."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def own_wandb_run() -> Iterator[None]:
    """Around one job of several: afterwards no run of W&B is open; it is marked as failed where the job has failed."""
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        wandb = sys.modules.get("wandb")  # a job without W&B has not loaded it
        if wandb is not None and wandb.run is not None:
            try:
                wandb.finish(exit_code=exit_code)
            except Exception as error:
                logger.warning("W&B failed at the end of the run (%s)", str(error) or type(error).__name__)
