"""`python -m vclr_pl.finetune`: train a pretrained encoder, or a linear layer on it, to name what videos show, and test it."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

import rich
from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.evaluation.scoring import Scores
from vclr_pl.report.record import write_record
from vclr_pl.report.tables import evaluation_record, evaluation_table, predictions, write_confusion, write_predictions
from vclr_pl.report.wandb_logger import log_evaluation
from vclr_pl.runner.build import Training, log_config, write_config
from vclr_pl.runner.finetuning import build_finetuning
from vclr_pl.runner.fitting import fit
from vclr_pl.runner.provenance import provenance
from vclr_pl.runner.resume import FINE_TUNING, checkpoint_path, refuse_foreign_checkpoint
from vclr_pl.runner.run import run

logger = logging.getLogger(__name__)


def finetune(config: DictConfig) -> None:
    """Build, load a checkpoint where one is given, fit, test, and report."""
    started = time.perf_counter()
    checkpoint = checkpoint_path(config.resume, experiment_folder=Path(config.paths.runs) / config.name)
    training = build_finetuning(config)
    if checkpoint is not None:
        state, groups = training.module.state_dict(), [len(group.parameters) for group in training.module.groups()]
        refuse_foreign_checkpoint(checkpoint, state=state, epochs=config.trainer.max_epochs, groups=groups, hints=FINE_TUNING)
    if training.trainer.is_global_zero:
        write_config(config, training.folder)
        log_config(config, training.trainer)
    fit(training, checkpoint=checkpoint)
    if training.trainer.is_global_zero:
        report(config, training, seconds=time.perf_counter() - started)


def report(config: DictConfig, training: Training, *, seconds: float) -> None:
    """Write results.json, and, where there was a test, predictions.csv and confusion.csv; print the table."""
    trainer, evaluation = training.trainer, training.evaluation
    scores, logits = evaluation.scores, evaluation.logits
    found = Scores()
    counts = {"epochs": trainer.current_epoch, "steps": trainer.global_step, "processes": trainer.world_size}
    if scores is not None:
        names = training.datamodule.class_names
        intervals = instantiate(config.bootstrap).intervals(scores)
        found = Scores(metrics=scores.metrics(), intervals=intervals, by_class={scores.of_class: scores.by_class(names)})
        manifest = training.datamodule.manifest("test")
        paths = [manifest.path(index) for index in range(len(manifest))]
        write_predictions(training.folder / "predictions.csv", predictions(logits, path=paths, label=manifest.labels.tolist()))
        write_confusion(training.folder / "confusion.csv", logits)
        counts |= {"test_videos": len(manifest), "broken_test_videos": len(logits.broken)}
    encoder = {"origin": f"{config.mode}, from {config.encoder}", "path": config.encoder, "level_percent": config.bootstrap.level_percent}
    timings = {**evaluation.timings_seconds, "total": round(seconds, 2)}
    record = evaluation_record(name=config.name, found=found, provenance=provenance(config), timings_seconds=timings, encoder=encoder)
    write_record(replace(record, training=counts), training.folder / "results.json")
    if record.metrics:
        rich.get_console().print(evaluation_table(record))
    log_evaluation(trainer.loggers, metrics=found.metrics, page=None)
    logger.info("run folder: %s", training.folder)


def main() -> None:
    sys.exit(run(finetune, config_name="finetune"))


if __name__ == "__main__":
    main()
