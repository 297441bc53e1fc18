"""How far the work on many files is: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import rich
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vclr_pl.callback.progress import clock, is_due

LINES_WITHOUT_TERMINAL = 20

Row = TypeVar("Row")


def watched(rows: Iterable[Row], *, total: int, doing: str, is_bad: Callable[[Row], bool], bad: str) -> Iterator[Row]:
    """The same rows, while they are counted on the terminal.

    Args:
        total: how many will come.
        doing: what is done with them, as `reading`.
        is_bad: which of them are counted apart, under the word `bad`.
    """
    console, started, failed = rich.get_console(), time.perf_counter(), 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total, failed="")
        for done, row in enumerate(rows, 1):
            failed += is_bad(row)
            bar.update(task, completed=done, failed=f"{bad} {failed}")
            if not console.is_terminal and is_due(step=done, total=total, lines=LINES_WITHOUT_TERMINAL, first=1):
                seconds = time.perf_counter() - started
                left = clock(seconds / done * (total - done))
                line = f"{doing} {done}/{total} files  files/s {done / seconds:.1f}  {bad} {failed}  left {left}"
                console.print(line, soft_wrap=True, highlight=False)
            yield row
