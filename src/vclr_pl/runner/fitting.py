"""Train, or only close a run that was ended between its last step and its results."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from vclr_pl.files import whole_file
from vclr_pl.runner.build import Training
from vclr_pl.runner.resume import LAST_CHECKPOINT

logger = logging.getLogger(__name__)


def fit(training: Training, *, checkpoint: Path | None) -> None:
    """Fit, from `checkpoint` on where there is one.

    Where the checkpoint has had all epochs or steps, Lightning restores it and returns without a word to the callbacks: what they do
    after the last step, exports and the evaluation, is done here then, and the checkpoint is copied, so that this run's folder is whole.
    """
    trainer, module = training.trainer, training.module
    if checkpoint is not None:
        logger.info("continuing from %s", checkpoint)
    trainer.fit(module, datamodule=training.datamodule, ckpt_path=checkpoint)
    if checkpoint is None or "fit" in training.evaluation.timings_seconds:  # on_train_end was there
        return
    logger.info("all of its training is done: what is left is the evaluation")
    progress = trainer.fit_loop.epoch_progress.current
    progress.completed = progress.processed  # type: ignore[attr-defined]  # it was saved before the last epoch counted as completed
    module.to(trainer.strategy.root_device)  # Lightning has moved it away
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        callback.on_train_end(trainer, module)
    if trainer.is_global_zero:
        _copy(checkpoint, training.folder / LAST_CHECKPOINT)


def _copy(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    with whole_file(target) as draft:
        shutil.copyfile(source, draft)
