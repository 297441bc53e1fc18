"""`plan=true`: what a run will need, measured on a few steps, without training it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, open_dict

from vclr_pl.callback.trial import Trial
from vclr_pl.report.record import RESULTS
from vclr_pl.runner.resume import checkpoint_path, is_finished, refuse_foreign_checkpoint
from vclr_pl.runner.run import remove_folder_of_refused
from vclr_pl.runner.trainer import callbacks_of, make_trainer
from vclr_pl.runner.training import Training, settle
from vclr_pl.types import InputError

COMPUTED = "computed"
logger = logging.getLogger(__name__)


def show_plan(config: DictConfig, *, build: Callable[[DictConfig], Training[Any, Any, Any]]) -> None:
    """Build the run, train a few steps with a trainer that writes nothing, and log the plan. A new run folder is removed.

    With `plan=computed` no step is trained, and the plan has no time.

    Raises:
        InputError: another word, or whatever `build` and the run would refuse.
    """
    if config.plan not in (True, COMPUTED):
        raise InputError(expected=f"plan=true, plan={COMPUTED} or plan=false", got=f"plan={config.plan}", hint="Set plan=true.")
    measures = config.plan != COMPUTED
    with open_dict(config):
        config.logger = None
    if is_finished(config):
        logger.info("this run has finished: its results are in %s", Path(config.paths.run) / RESULTS)
        return
    checkpoint = checkpoint_path(config.resume, experiment_folder=Path(config.paths.runs) / config.name)
    training = build(config)
    module, trial = training.module, Trial(planned=callbacks_of(training.trainer), measures=measures)
    if checkpoint is not None:
        state, epochs = module.state_dict(), config.trainer.max_epochs
        refuse_foreign_checkpoint(checkpoint, state=state, epochs=epochs, groups=training.groups, hints=training.hints)
    with open_dict(config):
        config.trainer.enable_checkpointing = False
    trainer = make_trainer(config, callbacks=[trial], loggers=[])
    settle(training, trainer, checkpoint=checkpoint)
    trainer.fit(module, datamodule=training.datamodule)
    if checkpoint is not None:
        module.on_load_checkpoint(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True))
    if trainer.is_global_zero:
        for line in trial.conclusion(trainer, module):
            logger.info("%s", line)
        kept = "nothing is kept of these steps" if measures else "plan=true adds the time"
        logger.info("this was the plan: %s; without plan=%s the run starts", kept, str(config.plan).lower())
    remove_folder_of_refused()
