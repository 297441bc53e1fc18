"""Nothing of a table is cut: on wide and narrow terminals, and in a file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from vclr_pl.report.compared_runs import ComparedRun
from vclr_pl.report.comparison_table import print_comparison
from vclr_pl.report.record import ResultRecord

LONG = "folder/somebodys/checkpoints/pretrained/[a]_rather_long_name_of_a_file.pth"
METRICS = {f"retrieval_r{k}": 10.0 + k for k in (1, 5, 10, 20, 50)} | {"knn_top1": 33.3, "linear_top1": 44.4}


def runs(count: int) -> list[ComparedRun]:
    return [
        ComparedRun(
            name=str(number),
            record=ResultRecord(
                name="demo", metrics=METRICS, baseline={}, provenance={}, timings_seconds={}, intervals={"knn_top1": [30.0, 36.6]}
            ),
            options={"experiment": "demo", "optimizer.lr": f"0.{number}", "weight.path": LONG if number else "", "seed": str(number)},
            folders=(Path("x"),),
        )
        for number in range(count)
    ]


def printed(*, width: int, is_terminal: bool, count: int = 20) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None)
    print_comparison(runs(count), title="sweep", console=console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_file_has_the_whole_width() -> None:
    text = printed(width=80, is_terminal=False)
    row = next(line for line in text.splitlines() if line.startswith("│ 7 "))
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "7", "0.7", LONG, "7", "11.0", "15.0", "20.0", "30.0", "60.0", "33.3 (30.0 to 36.6)", "44.4",
    ]  # fmt: skip
    assert len(text.splitlines()) == 20 + 5 + 1
    assert text.splitlines()[-1] == "The same in all rows: experiment demo."


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200, 400])
def test_a_terminal_has_every_text_within_its_width(width: int) -> None:
    text = printed(width=width, is_terminal=True, count=3)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    packed = "".join(text.split()).replace("│", "")
    for part in (LONG if width > 200 else "weight.path", "33.3", "44.4", "optimizer.lr", "60.0"):
        assert part in packed, part
    folded = "".join(line[1 : width // 2 + 3].strip("│ ") for line in text.splitlines())
    assert width > 140 or LONG in folded or "weight.path" in packed


def test_a_narrow_terminal_has_parts_which_say_so() -> None:
    text = printed(width=60, is_terminal=True, count=3)
    assert "sweep, part 1 of " in text
    first, *others = text.split("sweep, part ")[1:]
    assert "optimizer.lr=0.1" in first
    assert all("optimizer.lr" not in part and "│ 1 " in part for part in others)
