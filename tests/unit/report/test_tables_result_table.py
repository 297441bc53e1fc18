from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from vclr_pl.report.record import ResultRecord
from vclr_pl.report.tables import metric_title, result_table


def record(value: float, *, baseline: float | None = 20.0, seed: int = 0) -> ResultRecord:
    before = {} if baseline is None else {"retrieval_r1": baseline}
    return ResultRecord(name="demo", metrics={"retrieval_r1": value}, baseline=before, provenance={"seed": seed}, timings_seconds={})


def shown(table: object) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("retrieval_r10", "retrieval R@10"),
        ("knn_top1", "kNN top-1"),
        ("linear_top1", "linear probe top-1"),
        ("retrieval_class_mean", "retrieval class mean"),
    ],
)
def test_metrics_have_titles(name, title):
    assert metric_title(name) == title


def test_a_run_stands_beside_its_baseline():
    row = next(line for line in shown(result_table(record(55.25))).splitlines() if "R@1" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["retrieval R@1", "20.0", "55.2", "+35.2"]
    row = next(line for line in shown(result_table(record(55.25, baseline=None))).splitlines() if "R@1" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["retrieval R@1", "-", "55.2", "-"]


def test_chance_is_a_column_where_it_is_known() -> None:
    row = next(line for line in shown(result_table(replace(record(55.25), chance={"retrieval_r1": 10.0}))).splitlines() if "R@1" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["retrieval R@1", "10.0", "20.0", "55.2", "+35.2"]
