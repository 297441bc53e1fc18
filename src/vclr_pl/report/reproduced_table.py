"""Our figures of a table beside the published ones: in the terminal, and as results.md, results.csv and reproduced.json."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from vclr_pl.files import write_csv, write_whole
from vclr_pl.report.tables import interval, metric_title
from vclr_pl.text import readable

FILES = ("results.md", "results.csv", "reproduced.json")  # results.json is the name of the results of a run
COMMIT_DIGITS = 9
UNFINISHED = "-"


@dataclass(frozen=True, kw_only=True)
class ReproducedCell:
    """A figure of the table.

    Args:
        part: of the table; empty for a table of one part.
        values: in percent, of the seeds whose runs have finished.
        seeds: of the values.
        planned_seeds: of all runs of the cell.
        interval: 95%, over the test videos, of one seed.
        published: the paper's figure.
        commits: of the code that made the values.
        runs: the run folders.
    """

    row: str
    column: str
    metric: str
    part: str = ""
    values: tuple[float, ...] = ()
    seeds: tuple[str, ...] = ()
    planned_seeds: tuple[str, ...] = ()
    interval: tuple[float, float] | None = None
    published: float | None = None
    commits: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    @property
    def ours(self) -> float | None:
        """The mean over seeds; None before the first run has finished."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def spread(self) -> float | None:
        """The standard deviation over seeds; None for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def difference(self) -> float | None:
        """Ours minus the published figure, percentage points."""
        return None if self.ours is None or self.published is None else self.ours - self.published

    @property
    def figure(self) -> str:
        """`46.2`, or over seeds `46.2 ± 0.8`; fewer seeds than planned are counted."""
        if self.ours is None:
            return UNFINISHED
        spread = "" if self.spread is None else f" ± {self.spread:.1f}"
        missing = "" if len(self.seeds) == len(self.planned_seeds) else f" ({len(self.seeds)} of {len(self.planned_seeds)} seeds)"
        return f"{self.ours:.1f}{spread}{missing}"


@dataclass(frozen=True, kw_only=True)
class ReproducedTable:
    """
    Args:
        name: `retrieval`.
        command: that makes it.
        notes: on settings that are not those of the table, and on runs that are missing.
    """

    name: str
    title: str
    command: str
    cells: Sequence[ReproducedCell]
    notes: Sequence[str] = ()


COLUMNS = ("", "", "measure", "ours", "95% interval", "published", "difference", "seeds", "commit")
OF_FIGURES = 7  # the others say where the figures come from
UNBOUNDED = 100_000


def _row(cell: ReproducedCell) -> list[str]:
    published = "" if cell.published is None else f"{cell.published:.1f}"
    difference = "" if cell.difference is None else f"{cell.difference:+z.1f}"
    ends = [cell.figure, interval(cell.interval), published, difference, ", ".join(cell.seeds), ", ".join(map(short_commit, cell.commits))]
    return [cell.row, cell.column, metric_title(cell.metric), *ends]


def short_commit(commit: str) -> str:
    """`0123456789abcdef+changes` as `012345678+changes`."""
    digits, mark, changes = commit.partition("+")
    return f"{digits[:COMMIT_DIGITS]}{mark}{changes}"


def _parts(found: ReproducedTable) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Title, header and rows of each part: one line for a cell beside its published figure, else rows and columns as they are."""
    if any(cell.published is not None for cell in found.cells):
        return [("", COLUMNS, [_row(cell) for cell in found.cells])]
    parts: list[tuple[str, Sequence[str], list[list[str]]]] = []
    for part in dict.fromkeys(cell.part for cell in found.cells):
        cells = {(cell.row, cell.column): cell.figure for cell in found.cells if cell.part == part}
        columns = list(dict.fromkeys(column for _, column in cells))
        rows = [[row, *(cells.get((row, column), "") for column in columns)] for row in dict.fromkeys(row for row, _ in cells)]
        parts.append((part, ["", *columns], rows))
    return parts


def print_reproduced(found: ReproducedTable, *, console: Console) -> None:
    """Print the table, its parts one below the other; seeds and commits in a line of their own."""
    for part, header, rows in _parts(found):
        own = COLUMNS[:OF_FIGURES] if header is COLUMNS else header
        table = Table(title=f"{found.title}{f': {part}' if part else ''}", title_justify="left")
        for place, name in enumerate(own):
            table.add_column(name, justify="right" if place > (2 if header is COLUMNS else 0) else "left")
        for row in rows:
            table.add_row(*map(escape, row[: len(own)]))
        if not console.is_terminal:
            table.width = Measurement.get(console, console.options.update(max_width=UNBOUNDED), table).maximum
        console.print(table, soft_wrap=not console.is_terminal)
    for note in (_origin(found), *found.notes):
        console.print(note, soft_wrap=True, markup=False, highlight=False)


def _origin(found: ReproducedTable) -> str:
    """`Seeds 0, 1; commit 012345678.`"""
    seeds = list(dict.fromkeys(seed for cell in found.cells for seed in cell.seeds))
    commits = sorted({short_commit(commit) for cell in found.cells for commit in cell.commits})
    return f"{'Seed' if len(seeds) == 1 else 'Seeds'} {', '.join(seeds)}; commit {', '.join(commits)}."


def reproduced_markdown(found: ReproducedTable) -> str:
    """The table, its notes, and how it was made."""
    lines = [f"# {found.title}", "", "```bash", found.command, "```", "", "Values are percent, differences points."]
    for part, header, rows in _parts(found):
        ruler = [":---" if place == 0 or (header is COLUMNS and place < 3) else "---:" for place in range(len(header))]
        lines += ["", *([f"**{part}**", ""] if part else [])]
        lines += [f"| {' | '.join(map(_escaped, row))} |" for row in (header, ruler, *rows)]
    lines += ["", _origin(found)]
    return "\n".join([*lines, *(f"\n{note}" for note in found.notes), ""])


def write_reproduced(folder: Path, found: ReproducedTable) -> list[Path]:
    """Write the files; returns their paths."""
    markdown, table, content = (folder / name for name in FILES)
    write_whole(markdown, readable(reproduced_markdown(found)))
    header = ["part", "row", "column", "metric", "ours", "deviation", "low", "high", "published", "difference", "seeds", "commits", "runs"]
    write_csv(table, header, map(_csv_row, found.cells))
    cells = [{**asdict(cell), "ours": cell.ours, "difference": cell.difference} for cell in found.cells]
    whole = {"table": found.name, "title": found.title, "command": found.command, "notes": list(found.notes), "cells": cells}
    write_whole(content, json.dumps(whole, indent=2) + "\n")
    return [markdown, table, content]


def _csv_row(cell: ReproducedCell) -> list[object]:
    figures = [cell.ours, cell.spread, *(cell.interval or (None, None)), cell.published, cell.difference]
    rounded = ["" if value is None else round(value, 4) for value in figures]
    return [cell.part, cell.row, cell.column, cell.metric, *rounded, *map(" ".join, (cell.seeds, cell.commits, cell.runs))]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
