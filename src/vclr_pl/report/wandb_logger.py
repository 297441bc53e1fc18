"""The W&B logger, which goes offline by itself where there is no API key."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

logger = logging.getLogger(__name__)


def wandb_logger(*, project: str, name: str, save_dir: str) -> WandbLogger:
    """A logger that writes below `save_dir`; without an API key (`wandb login`, WANDB_API_KEY) it keeps the run there."""
    offline = not is_online()
    if offline:
        logger.warning(
            "W&B has no API key: the run stays offline; later: `wandb login`, then `wandb sync %s/wandb/offline-run-*`", save_dir
        )
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    return WandbLogger(project=project, name=name, save_dir=save_dir, offline=offline, log_model=False)


def is_online() -> bool:
    """An API key is known, and W&B was not told to stay offline."""
    if os.environ.get("WANDB_MODE", "online") != "online":
        return False
    import wandb  # half a second that a run without W&B need not wait

    return bool(wandb.api.api_key)


def log_evaluation(loggers: Sequence[Any], *, metrics: Mapping[str, float], page: Path | None) -> None:
    """The figures, and the page as an HTML panel, to each W&B run among the loggers."""
    for one in loggers:
        if isinstance(one, WandbLogger):
            one.experiment.log({f"evaluation/{name}": value for name, value in metrics.items()})
            if page is not None:
                from wandb import Html  # loaded by `experiment`

                one.experiment.log({"evaluation/page": Html(str(page), inject=False)})
