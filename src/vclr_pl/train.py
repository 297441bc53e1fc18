"""`python -m vclr_pl.train`: pretrain a video encoder and evaluate it beside the same network at random initialization."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import rich
from omegaconf import DictConfig

from vclr_pl.report.record import ResultRecord, write_record
from vclr_pl.report.tables import metric_figures, result_table
from vclr_pl.report.wandb_logger import log_evaluation
from vclr_pl.runner.build import Training, build, log_config, write_config
from vclr_pl.runner.fitting import fit
from vclr_pl.runner.provenance import provenance
from vclr_pl.runner.resume import checkpoint_path, refuse_foreign_checkpoint
from vclr_pl.runner.run import run
from vclr_pl.runner.search_page import write_search_page

logger = logging.getLogger(__name__)


def train(config: DictConfig) -> None:
    """Build, keep the random initialization, load weights or a checkpoint, fit, and report."""
    started = time.perf_counter()
    checkpoint = checkpoint_path(config.resume, experiment_folder=Path(config.paths.runs) / config.name)
    training = build(config)
    training.evaluation.keep_initialization(training.module)
    if checkpoint is not None:
        refuse_foreign_checkpoint(checkpoint, state=training.module.state_dict(), epochs=config.trainer.max_epochs)
    elif training.weight is not None:
        logger.info("%s", training.weight.load_into(training.module))
        training.module.momentum_encoder.restart(training.module.encoder)
    if training.trainer.is_global_zero:
        write_config(config, training.folder)
        log_config(config, training.trainer)
    fit(training, checkpoint=checkpoint)
    if training.trainer.is_global_zero:
        report(config, training, seconds=time.perf_counter() - started)


def report(config: DictConfig, training: Training, *, seconds: float) -> None:
    """Write results.json, and, where something was measured, print the table and write the page."""
    trainer, evaluation, data = training.trainer, training.evaluation, training.datamodule
    record = ResultRecord(
        name=config.name,
        metrics=evaluation.metrics,
        baseline=evaluation.baseline,
        provenance=provenance(config),
        timings_seconds={**evaluation.timings_seconds, "total": round(seconds, 2)},
        training={"epochs": trainer.current_epoch, "steps": trainer.global_step, "processes": trainer.world_size},
    )
    write_record(record, training.folder / "results.json")
    if record.metrics:
        rich.get_console().print(result_table(record))
    if evaluation.measured is not None:
        page = write_search_page(
            config,
            folder=training.folder,
            manifests={"gallery": data.manifest("train"), "query": data.manifest("test") if data.has_test else None},
            origin=f"{config.name}, trained for {trainer.global_step} steps",
            view=data.evaluation_view,
            gallery=evaluation.measured.gallery,
            query=evaluation.measured.query,
            figures=metric_figures(evaluation.metrics, {}),
        )
        log_evaluation(trainer.loggers, metrics=evaluation.metrics, page=page)
    logger.info("run folder: %s", training.folder)


def main() -> None:
    sys.exit(run(train, config_name="train"))


if __name__ == "__main__":
    main()
