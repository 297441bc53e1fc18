"""Rows reach the disk as they come, and stand in order at the end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from vclr_pl.report.tables import RowTable


@dataclass(frozen=True)
class Figure:
    name: str
    count: int


def test_rows_are_on_the_disk_at_once_and_sorted_at_the_end(tmp_path: Path) -> None:
    with RowTable(path=tmp_path / "new" / "rows.csv", row_type=Figure) as table:
        table.add(Figure("b, c", 2))
        table.add(Figure("a", 1))
        assert table.path.read_text() == 'name,count\n"b, c",2\na,1\n'
    table.sort(order=["a", "never seen", "b, c"])
    assert table.path.read_text() == 'name,count\na,1\n"b, c",2\n'
    assert table.rows == [Figure("a", 1), Figure("b, c", 2)]
    assert [path.name for path in table.path.parent.iterdir()] == ["rows.csv"]


def test_an_interrupted_run_leaves_its_rows(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RowTable(path=tmp_path / "rows.csv", row_type=Figure) as table:  # noqa: PT012
        table.add(Figure("a", 1))
        raise KeyboardInterrupt
    assert (tmp_path / "rows.csv").read_text() == "name,count\na,1\n"


def test_any_byte_of_a_name_survives(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.mp4")
    with RowTable(path=tmp_path / "rows.csv", row_type=Figure) as table:
        table.add(Figure(name, 1))
    assert b"\xff.mp4,1" in (tmp_path / "rows.csv").read_bytes()
