"""One frame of a training run, for `train` and `finetune`: build, load weights or a checkpoint, fit, report."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pytorch_lightning as lightning
from omegaconf import DictConfig

from vclr_pl.files import remove_drafts, whole_file
from vclr_pl.report.record import RESULTS
from vclr_pl.runner.global_batch import GlobalBatch
from vclr_pl.runner.process_launch import process_rank
from vclr_pl.runner.provenance import log_config, write_config
from vclr_pl.runner.resume import (
    LAST_CHECKPOINT,
    Hints,
    checkpoint_path,
    is_finished,
    refuse_foreign_checkpoint,
    refuse_other_checkpoints,
    refuse_running,
)
from vclr_pl.runner.trainer import clock_of, continue_loggers
from vclr_pl.store import FolderLock
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)


class Evaluation(Protocol):
    """A callback that evaluates after the last step; `timings_seconds` has the key `fit` once it has run."""

    timings_seconds: dict[str, float]


Module = TypeVar("Module", bound=lightning.LightningModule, covariant=True)
Data = TypeVar("Data", bound=lightning.LightningDataModule, covariant=True)
Evaluated = TypeVar("Evaluated", bound=Evaluation, covariant=True)
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Training(Generic[Module, Data, Evaluated]):
    """The objects of a run.

    Args:
        load_weights: loads the weights to start from; None where the module has its weights already.
        groups: the number of parameters in each group of the optimizer, where users can choose the groups.
        hints: what to do about a checkpoint of another run.
    """

    module: Module
    datamodule: Data
    trainer: lightning.Trainer
    evaluation: Evaluated
    folder: Path
    hints: Hints
    load_weights: Callable[[], None] | None = None
    groups: Sequence[int] | None = None


def run_training(
    config: DictConfig,
    *,
    build: Callable[[DictConfig], Training[Module, Data, Evaluated]],
    report: Callable[[Training[Module, Data, Evaluated], Mapping[str, float]], Result],
    finished: Callable[[Path], Result],
) -> Result | None:
    """Build, load weights or check the checkpoint of `resume`, fit, and report on rank 0. A finished run of `resume=auto` is only read.

    Args:
        build: instantiates the nodes of the config.
        report: gets the finished training and the seconds that its parts took; writes its files.
        finished: reads what `report` has written into a run folder.

    Returns:
        What `report` returns; None on other ranks.

    Raises:
        InputError: another command trains in the run folder, `resume` names no checkpoint of this run, or whatever `build` and the run
            find wrong.
    """
    started, folder = time.perf_counter(), Path(config.paths.run)
    with running(folder):
        if is_finished(config):
            logger.info("this run has finished: its results are in %s", folder / RESULTS)
            return None if process_rank() else finished(folder)
        training = _fitted(config, build=build, started=started)
        seconds = clock_of(training.trainer).seconds(training.trainer)
        return report(training, seconds) if training.trainer.is_global_zero else None


def _fitted(
    config: DictConfig, *, build: Callable[[DictConfig], Training[Module, Data, Evaluated]], started: float
) -> Training[Module, Data, Evaluated]:
    checkpoint = checkpoint_path(config.resume, experiment_folder=Path(config.paths.runs) / config.name)
    if checkpoint is not None:
        refuse_running(checkpoint, folder=Path(config.paths.run))
    training = build(config)
    clock_of(training.trainer).started = started
    if checkpoint is not None:
        state, epochs = training.module.state_dict(), config.trainer.max_epochs
        refuse_foreign_checkpoint(checkpoint, state=state, epochs=epochs, groups=training.groups, hints=training.hints)
    if training.load_weights is not None:
        try:
            training.load_weights()  # before a checkpoint is restored too: the start remains what the result is compared with
        except InputError as error:
            if checkpoint is None:
                raise
            logger.warning("the run continues without its start, which cannot be loaded again: %s", error)
    if training.trainer.is_global_zero:
        write_config(config, training.folder)
        continue_loggers(training.trainer, checkpoint=checkpoint)
        log_config(config, training.trainer)
    fit(training, checkpoint=checkpoint)
    return training


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """Make the run folder and lock it on rank 0 during the block: no other command trains in it, or resumes its run.

    Raises:
        InputError: another process trains in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder)
    if process_rank() == 0 and not lock.acquired_after_wait():
        raise InputError(
            expected="a run folder in which no other command trains",
            got=f"{folder}, in which {lock.holder()} trains",
            hint="Wait for its end, or stop it.",
        )
    try:
        if process_rank() == 0:
            remove_drafts(folder)
        yield
    finally:
        lock.release()


def fit(training: Training[Module, Data, Evaluated], *, checkpoint: Path | None) -> None:
    """Fit, from `checkpoint` where there is one; a run that was ended after its last step gets its exports and its evaluation.

    Lightning restores a checkpoint that has had all epochs or steps and returns without calling `on_train_end`: it is called here, and
    the checkpoint is copied, so that this run's folder is complete.
    """
    trainer, module = training.trainer, training.module
    if checkpoint is not None:
        logger.info("continuing from %s", checkpoint)
    trainer.callbacks.extend([_SameCheckpoint(checkpoint), settle(training, trainer, checkpoint=checkpoint)])  # type: ignore[attr-defined]
    trainer.fit(module, datamodule=training.datamodule, ckpt_path=checkpoint)
    if checkpoint is None or "fit" in training.evaluation.timings_seconds:  # on_train_end was called
        return
    logger.info("training is complete already; evaluating")
    progress = trainer.fit_loop.epoch_progress.current
    progress.completed = progress.processed  # type: ignore[attr-defined]  # it was saved before the last epoch counted as completed
    module.to(trainer.strategy.root_device)  # Lightning has moved it away
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        callback.on_train_end(trainer, module)
    if trainer.is_global_zero:
        _copy(checkpoint, training.folder / LAST_CHECKPOINT)


class _SameCheckpoint(lightning.Callback):
    """Compares the ranks' checkpoint when they are connected, before Lightning restores it."""

    def __init__(self, checkpoint: Path | None) -> None:
        self._checkpoint = checkpoint

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:  # noqa: ARG002
        refuse_other_checkpoints(self._checkpoint)


def settle(training: Training[Module, Data, Evaluated], trainer: lightning.Trainer, *, checkpoint: Path | None) -> GlobalBatch:
    """Set what depends on the devices of `trainer`: accumulated batches, and TF32. Returns the callback that stores the former."""
    module: Any = training.module
    module.runtime.set_products(trainer.strategy.root_device)
    global_batch = GlobalBatch(trainer=trainer, data=training.datamodule)
    global_batch.settle(trainer, checkpoint=checkpoint)
    return global_batch


def _copy(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    with whole_file(target) as draft:
        shutil.copyfile(source, draft)
