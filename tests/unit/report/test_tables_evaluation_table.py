"""Figures with their intervals, for the terminal and for the page."""

from __future__ import annotations

import io

from rich.console import Console

from vclr_pl.report.record import ResultRecord
from vclr_pl.report.retrieval_page import Figure
from vclr_pl.report.tables import evaluation_table, metric_figures

METRICS = {"retrieval_r1": 40.04, "retrieval_r20": 70.0, "knn_mean_class": 12.34}


def test_for_the_terminal() -> None:
    record = ResultRecord(
        name="evaluate",
        metrics=METRICS,
        baseline={},
        provenance={},
        timings_seconds={},
        intervals={"retrieval_r1": [30.0, 50.06]},
        chance={"retrieval_r1": 10.0},
        encoder={"origin": "query encoder of x: 3 tensors", "level_percent": 90},
    )
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluation_table(record))
    text = console.export_text()
    assert text.splitlines()[0].strip() == "evaluate: query encoder of x"
    assert "90% interval" in text
    assert "│ retrieval R@1       │ 40.0 │   10.0 │ 30.0 to 50.1 │" in text
    assert "│ kNN mean of classes │ 12.3 │      - │              │" in text


def test_for_the_page() -> None:
    assert metric_figures(METRICS, {"retrieval_r1": (30.0, 50.0)}) == [
        Figure("retrieval R@1", "40.0%", "30.0 to 50.0"),
        Figure("retrieval R@20", "70.0%", headline=False),
        Figure("kNN mean of classes", "12.3%", headline=False),
    ]
