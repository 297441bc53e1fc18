"""torch.compile where it works, and the function itself where it does not.

It needs a C++ compiler on a CPU and Triton on a GPU, and a folder for what it has compiled.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable
from typing import Any

import torch

logger = logging.getLogger(__name__)

Function = Callable[..., Any]
_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {"compile_threads": 1}  # no pool of processes that stays until the run ends


@functools.lru_cache(maxsize=8)
def compiled(function: Function) -> Function:
    """The function, compiled at its first call. If that fails, the log has one line with the reason, and the function runs as it is.

    Sizes that change are compiled once more, for all sizes.
    """
    run = torch.compile(function, fullgraph=True, options=_OPTIONS)
    failed = False

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal failed
        if not failed:
            try:
                return run(*arguments, **options)
            except Exception as error:  # any step of a compiler may fail; an error of the function itself is raised again below
                failed = True
                reason = (str(error).strip().splitlines() or [""])[0]
                logger.info("%s is not compiled (%s: %s)", function.__name__, type(error).__name__, reason)
        return function(*arguments, **options)

    return call


def batches_of_run(trainer: Any, *, per_epoch: int) -> float:
    """Batches of each rank by the trainer's limits, infinite without any; a resumed run counts those before it too."""
    epochs, steps = trainer.max_epochs, trainer.max_steps
    by_epochs = math.inf if epochs in (None, -1) else epochs * per_epoch
    by_steps = math.inf if steps == -1 else steps * trainer.accumulate_grad_batches
    return float(min(by_epochs, by_steps))
