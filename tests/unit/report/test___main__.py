"""The command line of the report."""

from __future__ import annotations

from pathlib import Path

import pytest
import rich
from rich.console import Console
from tests.unit.report.test_comparison import write

from vclr_pl.report.__main__ import main


def test_markdown_is_printed_and_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(write(tmp_path / "run", metrics={"knn_top1": 50.0}))
    assert main([run]) == 0
    assert "| run | 50.0 |" in capsys.readouterr().out
    for name, words in (("table.md", "| run |"), ("table.html", "<td>50.0</td>")):
        assert main([run, "--output", str(tmp_path / name)]) == 0
        assert words in (tmp_path / name).read_text()


def test_a_terminal_has_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rich, "get_console", lambda: Console(force_terminal=True, width=60))
    assert main([str(write(tmp_path / "run", metrics={"knn_top1": 50.0}))]) == 0
    assert "│" in capsys.readouterr().out


def test_nothing_to_report_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: expected a run folder with results.json")
