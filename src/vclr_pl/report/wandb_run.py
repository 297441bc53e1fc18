"""A separate W&B run for each job of a sweep. A single run ends with its process. This file does not import W&B, which takes seconds."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def own_wandb_run() -> Iterator[None]:
    """Context of one job: finishes its W&B run afterwards, and marks it as failed if the job failed."""
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        wandb = sys.modules.get("wandb")  # a job without W&B has not imported it
        if wandb is not None and wandb.run is not None:
            try:
                wandb.finish(exit_code=exit_code)
            except Exception as error:
                logger.warning("W&B failed at the end of the run (%s)", str(error) or type(error).__name__)
