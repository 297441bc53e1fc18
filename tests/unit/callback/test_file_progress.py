"""The rows pass unchanged; what is shown counts them."""

from __future__ import annotations

import rich
from rich.console import Console

from vclr_pl.callback.file_progress import watched


def test_rows_pass_and_lines_are_few_without_a_terminal(capsys):
    rows = list(watched(iter(range(200)), total=200, doing="reading", is_bad=lambda row: row % 50 == 0, bad="unreadable"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line]  # rich before 15 ends with an empty line
    assert rows == list(range(200))
    assert len(lines) == 21
    assert lines[-1].startswith("reading 200/200 files  files/s ")
    assert "unreadable 4  left 0:00" in lines[-1]


def test_a_terminal_has_a_bar_and_no_lines(capsys, monkeypatch):
    console = Console(force_terminal=True, width=100)
    monkeypatch.setattr(rich, "get_console", lambda: console)
    assert list(watched([1, 2], total=2, doing="copying", is_bad=lambda row: row == 2, bad="kept")) == [1, 2]
    shown = capsys.readouterr().out
    assert "2/2" in shown
    assert "kept 1" in shown
    assert "files/s" not in shown


def test_whoever_stops_early_closes_the_source():
    closed = []

    def source():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    rows = source()
    watching = watched(rows, total=10, doing="reading", is_bad=bool, bad="bad")
    next(watching)
    watching.close()
    rows.close()
    assert closed == [True]
