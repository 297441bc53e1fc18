"""Our figures beside the published ones, in the terminal and in files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from tests.unit.report.test_comparison import write

from vclr_pl.report.__main__ import main
from vclr_pl.report.reproduced_table import (
    ReproducedCell,
    ReproducedTable,
    print_reproduced,
    reproduced_markdown,
    short_commit,
    write_reproduced,
)

COMMIT = "0123456789abcdef"
ONE = ReproducedCell(
    row="TSN",
    column="UCF101",
    metric="recognition_top1",
    values=(84.1,),
    seeds=("0",),
    planned_seeds=("0",),
    interval=(82.0, 86.2),
    published=85.6,
    commits=(COMMIT,),
    runs=("runs/tsn",),
)
MISSING = ReproducedCell(row="TSM", column="SSv2", metric="recognition_top1", planned_seeds=("0",), published=52.0)
COMMAND = "python -m vclr_pl.reproduce table=recognition 'table.seeds=[0]'"
PAPER = ReproducedTable(name="recognition", title="Fine-tuned", command=COMMAND, cells=[ONE, MISSING], notes=["A note."])


def of_seeds(row: str, column: str, *values: float) -> ReproducedCell:
    seeds = tuple(map(str, range(len(values))))
    return ReproducedCell(part="R@1", row=row, column=column, metric="retrieval_r1", values=values, seeds=seeds, planned_seeds=("0", "1"))


DEMO = ReproducedTable(
    name="demo",
    title="Tasks",
    command="",
    cells=[of_seeds("vclr", "order", 90.0, 92.0), of_seeds("seco", "order", 70.0), of_seeds("vclr", "shape")],
)


def test_the_difference() -> None:
    assert ONE.difference == pytest.approx(-1.5)
    assert (ONE.spread, ONE.figure) == (None, "84.1")
    assert (MISSING.ours, MISSING.difference, MISSING.figure) == (None, None, "-")


def test_seeds() -> None:
    both, one, none = DEMO.cells
    assert (both.ours, both.figure) == (91.0, "91.0 ± 1.4")  # the deviation of a sample: sqrt 2
    assert one.figure == "70.0 (1 of 2 seeds)"
    assert none.figure == "-"


def test_markdown_of_the_paper() -> None:
    text = reproduced_markdown(PAPER)
    assert f"# Fine-tuned\n\n```bash\n{COMMAND}\n```\n\nValues" in text
    assert "| TSN | UCF101 | recognition top-1 | 84.1 | 82.0 to 86.2 | 85.6 | -1.5 | 0 | 012345678 |" in text
    assert "| TSM | SSv2 | recognition top-1 | - |  | 52.0 |  |  |  |" in text
    assert "Seed 0; commit 012345678." in text
    assert text.endswith("A note.\n")


def test_markdown_of_rows_and_columns() -> None:
    lines = reproduced_markdown(DEMO).splitlines()
    assert "**R@1**" in lines
    assert "|  | order | shape |" in lines
    assert "| vclr | 91.0 ± 1.4 | - |" in lines
    assert "| seco | 70.0 (1 of 2 seeds) |  |" in lines


@pytest.mark.parametrize("terminal", [False, True])
def test_the_terminal_shows_every_figure(terminal: bool) -> None:
    output = io.StringIO()
    print_reproduced(PAPER, console=Console(file=output, width=120 if terminal else 20, force_terminal=terminal, no_color=True))
    text = output.getvalue()
    assert all(word in text for word in ("recognition top-1", "84.1", "82.0 to 86.2", "85.6", "-1.5", "A note."))


def test_the_files(tmp_path: Path) -> None:
    markdown, table, content = write_reproduced(tmp_path, PAPER)
    assert markdown.read_text() == reproduced_markdown(PAPER)
    with table.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["ours"], first["low"], first["difference"], first["runs"]) == ("84.1", "82.0", "-1.5", "runs/tsn")
    assert (second["ours"], second["published"]) == ("", "52.0")
    whole = json.loads(content.read_text())
    cells = whole["cells"]
    assert whole["command"] == COMMAND
    assert (cells[0]["ours"], cells[0]["commits"], cells[1]["ours"]) == (84.1, [COMMIT], None)


def test_report_reads_the_runs_beside_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "tsn" / "seed_0", metrics={"recognition_top1": 84.1})
    write_reproduced(tmp_path / "recognition", PAPER)
    assert main([str(tmp_path)]) == 0
    assert "| seed_0 | 84.1 |" in capsys.readouterr().out


def test_a_commit_with_changes() -> None:
    assert short_commit(f"{COMMIT}+changes") == "012345678+changes"
    assert short_commit("unknown") == "unknown"
