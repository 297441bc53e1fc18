"""Cells of an ablation from results.json files alone: task, method, pooling and seed of each evaluation."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vclr_pl.report.ablation import Cell
from vclr_pl.report.compared_runs import SEED, read_file, result_files, with_chosen_metrics
from vclr_pl.report.record import ResultRecord, read_name

DEFAULT_NAME = "compare"  # of a comparison without name=
POOLINGS = ("mean", "segments")  # as `compare` names an encoder with several poolings
UNKNOWN = "videos"


def read_cells(paths: Sequence[str], *, metrics: Sequence[str] | None = None) -> tuple[list[Cell], int]:
    """The cells in run folders, results.json files, and folders of runs at any depth, and the number of results that were left out.

    The task of a comparison is its run's name, else, as for every other run, the task or the name of its data. The method is the encoder's
    name in the comparison, else the run's name. The seed is that of the run. Results without outcomes of queries, such as those of
    training runs, are left out if others have them.

    Args:
        metrics: those that are kept; None keeps all.

    Raises:
        InputError: a path has no results, they cannot be read, or a metric that no result has.
    """
    cells = [cell for file in result_files(paths) for cell in _cells(file)]
    kept = [cell for cell in cells if cell.record.outcomes] or cells
    if metrics is not None:
        records = with_chosen_metrics([cell.record for cell in kept], metrics)
        kept = [replace(cell, record=record) for cell, record in zip(kept, records, strict=True)]
    if len({cell.pooling for cell in kept} - {""}) < 2:  # nothing to tell apart
        kept = [replace(cell, pooling="") for cell in kept]
    return kept, len(cells) - len(kept)


def pooling_of(record: ResultRecord) -> str:
    """`mean`, `three segments` or `4 segments`; empty for results without a pooling, such as those of localization."""
    segments = record.encoder.get("pooling_segments")
    return "" if segments is None else {1: "mean", 3: "three segments"}.get(segments, f"{segments} segments")


def _cells(file: Path) -> list[Cell]:
    records = read_file(file)
    name = read_name(file)
    return [_cell(record, run=name) for record in records]


def _cell(record: ResultRecord, *, run: str | None) -> Cell:
    return Cell(
        task=run if run not in (None, DEFAULT_NAME) else record.choices.get("task") or record.choices.get("data") or UNKNOWN,
        method=functools.reduce(lambda name, pooling: name.removesuffix(f", {pooling}"), POOLINGS, record.name),
        seed=str(record.provenance.get(SEED, "")),
        pooling=pooling_of(record),
        record=record,
    )
