"""`plan=true`: what a run will need, measured on a few steps, without training it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, open_dict

from vclr_pl.callback.trial import Trial
from vclr_pl.runner.resume import checkpoint_path, refuse_foreign_checkpoint
from vclr_pl.runner.run import remove_folder_of_refused
from vclr_pl.runner.trainer import callbacks_of, make_trainer
from vclr_pl.runner.training import Training

logger = logging.getLogger(__name__)


def show_plan(config: DictConfig, *, build: Callable[[DictConfig], Training[Any, Any, Any]]) -> None:
    """Build the run, train a few steps with a trainer that writes nothing, and log the plan. The run folder is removed.

    Raises:
        InputError: whatever `build` and the run would refuse.
    """
    with open_dict(config):
        config.logger = None
    checkpoint = checkpoint_path(config.resume, experiment_folder=Path(config.paths.runs) / config.name)
    training = build(config)
    module, trial = training.module, Trial(planned=callbacks_of(training.trainer))
    if checkpoint is not None:
        state, epochs = module.state_dict(), config.trainer.max_epochs
        refuse_foreign_checkpoint(checkpoint, state=state, epochs=epochs, groups=training.groups, hints=training.hints)
    with open_dict(config):
        config.trainer.enable_checkpointing = False
    trainer = make_trainer(config, callbacks=[trial], loggers=[])
    trainer.fit(module, datamodule=training.datamodule)
    if checkpoint is not None:
        module.on_load_checkpoint(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True))
    if trainer.is_global_zero:
        for line in trial.conclusion(trainer, module):
            logger.info("%s", line)
        logger.info("this was the plan: nothing is kept of these steps; without plan=true the run starts")
    remove_folder_of_refused()
