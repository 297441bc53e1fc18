"""The results of a finished run, read from its folder."""

from __future__ import annotations

from pathlib import Path

from vclr_pl.command.evaluation import PAGE
from vclr_pl.command.result import FinetuneResult, TrainResult
from vclr_pl.report.record import RESULTS, read_record
from vclr_pl.runner.resume import LAST_CHECKPOINT

BACKBONE = "backbone.safetensors"
TEST_FILES = {"predictions": "predictions.csv", "confusion": "confusion.csv"}


def pretrained(folder: Path) -> TrainResult:
    """What `report_pretraining` has written into a run folder."""
    record, page = read_record(folder / RESULTS), folder / PAGE
    return TrainResult(
        folder=folder,
        results=folder / RESULTS,
        backbone=folder / BACKBONE,
        checkpoint=folder / LAST_CHECKPOINT,
        metrics=record.metrics,
        baseline=record.baseline,
        verdict=record.training.get("verdict"),
        page=page if page.is_file() else None,
    )


def finetuned(folder: Path) -> FinetuneResult:
    """What `report_finetuning` has written into a run folder."""
    record = read_record(folder / RESULTS)
    files = {name: folder / file if (folder / file).is_file() and record.metrics else None for name, file in TEST_FILES.items()}
    return FinetuneResult(
        folder=folder,
        results=folder / RESULTS,
        checkpoint=folder / LAST_CHECKPOINT,
        metrics=record.metrics,
        intervals={name: (low, high) for name, (low, high) in record.intervals.items()},
        **files,
    )
