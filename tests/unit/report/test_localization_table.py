"""The table beside evenly spaced proposals."""

from __future__ import annotations

import io

import rich.console

from vclr_pl.report.localization_table import localization_figures, localization_table
from vclr_pl.report.result_record import ResultRecord
from vclr_pl.report.result_table import metric_title

METRICS = {"ar_100": 74.02, "auc": 66.1, "map_50": 30.0, "map": 20.0}


def test_titles() -> None:
    assert [metric_title(name) for name in METRICS] == ["AR@100", "AUC", "mAP at 0.50", "mAP, mean of 0.5:0.05:0.95"]


def test_the_table_tells_the_gain() -> None:
    record = ResultRecord(name="x", metrics=METRICS, baseline={"auc": 60.0}, provenance={"seed": 3}, timings_seconds={})
    stream = io.StringIO()
    rich.console.Console(file=stream, width=100).print(localization_table(record))
    lines = stream.getvalue().splitlines()
    assert "x, seed 3" in lines[0]
    assert next(line for line in lines if "AUC" in line).split()[3:8:2] == ["60.0", "66.1", "+6.1"]
    assert next(line for line in lines if "AR@100" in line).split()[3:8:2] == ["-", "74.0", "-"]


def test_figures_of_the_page() -> None:
    figures = localization_figures(METRICS, {"auc": 60.0})
    assert [(figure.name, figure.value, figure.interval) for figure in figures][:2] == [
        ("AR@100", "74.0%", ""),
        ("AUC", "66.1%", "evenly spaced 60.0"),
    ]
