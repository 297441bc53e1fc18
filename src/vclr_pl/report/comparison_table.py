"""The comparison of runs as tables on the console, which are never cut."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from vclr_pl.report.compared_runs import ComparedRun
from vclr_pl.report.comparison import Comparison, Row, comparison

BORDER = 3  # characters around the text of a column
FOLDED = 16  # characters a line of a text that is folded
UNBOUNDED = 100_000


def print_comparison(runs: Sequence[ComparedRun], *, title: str, console: Console) -> None:
    """Print one table; on a terminal that is too narrow for it several, with some of the metrics each. In a file it has its full width."""
    found = comparison(runs)
    for longest in (None, FOLDED):
        whole = _table(found.columns, found.metrics, found.rows, title=title, longest=longest)
        whole.width = Measurement.get(console, console.options.update(max_width=UNBOUNDED), whole).maximum
        if not console.is_terminal or whole.width <= console.width:
            console.print(whole, soft_wrap=True)
            _print_common(found, console)
            return
    described = [_described(row, found.columns) for row in found.rows]
    first = min(max(len(line) for text in described for line in text.split("\n")), console.width // 2)
    parts = _parts([max(map(len, column)) for column in _columns(found)], width=console.width - first - BORDER - 1)
    for number, part in enumerate(parts, 1):
        names = described if number == 1 else [row.name for row in found.rows]
        rows = [Row(name, name, [], [row.cells[place] for place in part]) for name, row in zip(names, found.rows, strict=True)]
        heading = title if len(parts) == 1 else f"{title}, part {number} of {len(parts)}"
        table = _table([], [found.metrics[place] for place in part], rows, title=heading)
        table.columns[0].width = first
        console.print(table)
    _print_common(found, console)


def _print_common(found: Comparison, console: Console) -> None:
    if found.common:
        console.print(found.common, soft_wrap=not console.is_terminal, highlight=False, markup=False)


def _columns(found: Comparison) -> list[list[str]]:
    """The title's longest word and the texts of each column of metrics."""
    return [[max(title.split(), key=len), *(row.cells[place].text for row in found.rows)] for place, title in enumerate(found.metrics)]


def _parts(widths: Sequence[int], *, width: int) -> list[list[int]]:
    """Columns in as few groups as fit into `width`; at least one a group, and one empty group without columns."""
    parts: list[list[int]] = [[]]
    left = width
    for place, needed in enumerate(widths):
        if parts[-1] and needed + BORDER > left:
            parts.append([])
            left = width
        parts[-1].append(place)
        left -= needed + BORDER
    return parts


def _described(row: Row, columns: Sequence[str]) -> str:
    """A run and its options, one a line."""
    return "\n".join([row.name, *(f"{name}={text}" for name, text in zip(columns, row.texts, strict=True) if text)])


def _table(columns: Sequence[str], metrics: Sequence[str], rows: Sequence[Row], *, title: str, longest: int | None = None) -> Table:
    """Texts of more than `longest` characters take several lines."""
    table = Table(title=title, title_justify="left", show_lines=any("\n" in row.name for row in rows))
    for name in ("run", *columns):
        table.add_column(name, overflow="fold", max_width=longest)
    for name in metrics:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        cells = [f"[bold]{cell.text}[/bold]" if cell.best else cell.text for cell in row.cells]
        table.add_row(*map(escape, (row.name, *row.texts)), *cells)
    return table
