"""The figures of `reproduce`: results.json of every finished run, as the cells of the table and as paired differences."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import rich

from vclr_pl.command.result import ReproduceResult
from vclr_pl.command.table_plan import Reproduction
from vclr_pl.report.ablation import Cell, ablation
from vclr_pl.report.ablation_cells import pooling_of
from vclr_pl.report.ablation_files import write_ablation
from vclr_pl.report.record import RESULTS, ResultRecord, read_records
from vclr_pl.report.reproduced_table import ReproducedCell, ReproducedTable, print_reproduced, write_reproduced
from vclr_pl.runner.paper_table import PlannedCell, PlannedRun
from vclr_pl.runner.run_ledger import State

logger = logging.getLogger(__name__)


Records = Mapping[str, Mapping[str, ResultRecord]]  # by run and, for several encoders, by their name


def concluded(found: Reproduction, *, failed: Mapping[str, str], written: bool) -> ReproduceResult:
    """Print the table of the finished runs, if there are any; with `written` write it and their paired differences."""
    records = records_of(found)
    cells = reproduced_cells(found, records=records)
    notes = [f"Settings other than those of the table: {'; '.join(found.options)}."] if found.options else []
    notes += [f"{name}: {line}" for name, line in {**found.left_out, **failed}.items()]
    reference = found.table.reference
    if reference is not None and reference not in {cell.row for cell in cells}:
        notes.append(f"No paired differences: the reference {reference} is not a row of the table (table.reference=METHOD sets another).")
    table = ReproducedTable(name=found.name, title=found.table.title, command=found.command, cells=cells, notes=notes)
    files: list[Path] = []
    if any(cell.values for cell in cells):
        print_reproduced(table, console=rich.get_console())
        if written:
            files = [*write_reproduced(found.folder, table), *write_differences(found, records=records)]
        for path in files:
            logger.info("%s", path)
    return ReproduceResult(folder=found.folder, cells=tuple(cells), failed=failed, files=tuple(files))


def records_of(found: Reproduction) -> dict[str, dict[str, ResultRecord]]:
    """The results of the finished runs that fill cells."""
    return {
        run.name: {record.name: record for record in read_records(found.ledger.folder / run.name / RESULTS)}
        for run in found.runs
        if run.cells and found.ledger.state(run) is State.FINISHED
    }


def record_of(cell: PlannedCell, run: PlannedRun, *, records: Records) -> ResultRecord | None:
    """The results that a cell shows; None for a run that has not finished."""
    named = records.get(run.name, {})
    return named.get(cell.encoder) if cell.encoder else next(iter(named.values()), None)


def write_differences(found: Reproduction, *, records: Records) -> list[Path]:
    """Write the differences from the reference, paired by seed and test video, once the reference has results. Returns the files.

    The cells of one method, its row, show several metrics of the same results.
    """
    reference = found.table.reference
    results: dict[tuple[str, str], Cell] = {}
    for run in found.runs:
        for cell in run.cells:
            record = record_of(cell, run, records=records)
            if record is not None and (run.name, cell.encoder) not in results:
                task, pooling = cell.values.get("task", cell.column), pooling_of(record) if ", " in cell.encoder else ""
                results[run.name, cell.encoder] = Cell(task=task, method=cell.row, seed=run.seed, record=record, pooling=pooling)
    if reference is None or reference not in {cell.method for cell in results.values()}:
        return []
    return write_ablation(found.folder, ablation(list(results.values()), reference=reference))


def reproduced_cells(found: Reproduction, *, records: Records) -> list[ReproducedCell]:
    """The cells of the table with the figures of the runs that have finished."""
    planned: dict[tuple[str, str, str, str], list[tuple[PlannedCell, PlannedRun]]] = {}
    for run in found.ledger.runs.values():
        for cell in run.cells:
            planned.setdefault((cell.part, cell.row, cell.column, cell.metric), []).append((cell, run))
    return [_reproduced(of, records=records, folder=found.ledger.folder) for of in planned.values()]


def _reproduced(planned: Sequence[tuple[PlannedCell, PlannedRun]], *, records: Records, folder: Path) -> ReproducedCell:
    """The figures of one cell, of all seeds."""
    first = planned[0][0]
    of: list[tuple[PlannedRun, ResultRecord]] = []
    for cell, run in planned:
        record = record_of(cell, run, records=records)
        if record is not None and cell.metric in record.metrics:
            of.append((run, record))
    ends = of[0][1].intervals.get(first.metric) if len(of) == 1 else None
    return ReproducedCell(
        part=first.part,
        row=first.row,
        column=first.column,
        metric=first.metric,
        values=tuple(record.metrics[first.metric] for _, record in of),
        seeds=tuple(run.seed for run, _ in of),
        planned_seeds=tuple(run.seed for _, run in planned),
        interval=None if ends is None else (ends[0], ends[1]),
        published=first.published,
        commits=tuple(sorted({str(record.provenance.get("commit") or "unknown") for _, record in of})),
        runs=tuple(str(folder / run.name) for run, _ in of),
    )
