"""The command line of the report."""

from __future__ import annotations

from pathlib import Path

import pytest
import rich
from rich.console import Console
from tests.unit.report.test_comparison import write

from vclr_pl.report.__main__ import main
from vclr_pl.report.compared_runs import read_runs
from vclr_pl.report.golden import Bound, GoldenCurves


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


def test_a_run_outside_golden_bounds_is_said_and_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "run", metrics={"knn_top1": 40.0}, baseline={})
    (folder / "metrics.csv").write_text("step,train/loss\n0,8.0\n1,7.0\n")
    (run,) = read_runs([str(folder)])
    for loss, code in ((7.0, 0), (7.5, 1)):
        golden = GoldenCurves(
            record=run.record, curves={"train/loss": [(1, 8.0), (2, loss)]}, bounds={"train/loss": Bound(0.01, 10.0, 1.0)}
        )
        golden.write(tmp_path / "golden.json")
        assert main([str(folder), str(tmp_path / "golden.json"), "--output", str(tmp_path / "page.html")]) == code
        shown = capsys.readouterr().out
        assert ("all 1 curves and results are within their bounds" in shown) == (code == 0)
        assert ("\n  train/loss at step 2: 7, stored 7.5, outside the bound of 0.1\n" in shown) == (code == 1)
        page = (tmp_path / "page.html").read_text()
        assert ('<strong><span aria-hidden="true">⚠</span> Outside</strong>' in page) == (code == 1)
        assert '<polygon class="band" points="0,' in page
