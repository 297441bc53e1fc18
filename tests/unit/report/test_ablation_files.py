"""Markdown, CSV, JSON and the figure of an ablation."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.report.miniature_ablation import cells, record

from vclr_pl.report.ablation import Cell, ablation
from vclr_pl.report.ablation_files import ablation_markdown, write_ablation


def rows(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if line.startswith("|")]


def test_markdown_has_means_and_differences() -> None:
    found = ablation(cells(), reference="VCLR")
    text = ablation_markdown(found)
    table = rows(text)
    assert [row[0] for row in table] == ["method", "---", "VCLR", "SeCo", "third", "chance", "method", "---", "SeCo", "third"]
    assert table[0] == ["method", "order", "shape"]
    seco = found.of("shape", "SeCo", "")
    assert seco is not None
    mean, difference = seco.means["retrieval_r1"], seco.differences["retrieval_r1"]
    assert table[3][2] == f"{mean.value:.1f} ({mean.low:.1f} to {mean.high:.1f})"
    assert table[8][2] == f"**{difference.value:+.1f} ({difference.low:.1f} to {difference.high:.1f})**"
    assert not table[8][1].startswith("**")  # the interval contains 0
    assert table[4][1] == table[9][1] == "-"
    assert table[5][1:] == ["25.0", "25.0"]
    assert "### retrieval R@1\n\nPercent. Mean over seeds; in parentheses the 95% interval over seeds and videos (3 seeds)." in text
    assert "Fewer seeds: third on shape 2." in text
    assert "Difference from VCLR in points. Paired by seed and query; bold: the 95% interval does not contain 0." in text


def test_one_seed_and_odd_names_are_said() -> None:
    given = [replace(cell, method=f"{cell.method} [1|2]") for cell in cells() if cell.seed == 0]
    text = ablation_markdown(ablation(given, reference="VCLR [1|2]"), figure="ablation.svg")
    assert "the 95% interval over videos (one seed)" in text
    assert "| SeCo \\[1\\|2\\] |" in text
    assert text.startswith("![Differences from VCLR \\[1\\|2\\] in points")
    assert "(ablation.svg)\n" in text


def test_poolings_are_a_column() -> None:
    given = [
        Cell(task="t", method=method, seed=0, pooling=pooling, record=record("10" * 9))
        for method in ("a", "b")
        for pooling in ("mean", "segments")
        if (method, pooling) != ("b", "mean")
    ]
    table = rows(ablation_markdown(ablation(given, reference="a", resamples=10)))
    assert [row[:2] for row in table] == [
        ["method", "pooling"],
        ["---", "---"],
        ["a", "mean"],
        ["a", "segments"],
        ["b", "segments"],
        ["chance", ""],
        ["method", "pooling"],
        ["---", "---"],
        ["b", "segments"],
    ]


def test_csv_json_and_the_figure_are_written(tmp_path: Path) -> None:
    extra = [replace(cell, record=replace(cell.record, metrics={**cell.record.metrics, "retrieval_map": 12.5})) for cell in cells()]
    found = ablation(extra, reference="VCLR")
    files = write_ablation(tmp_path / "out", found)
    assert [file.name for file in files] == ["ablation.md", "ablation.csv", "ablation.json", "ablation.svg"]
    with files[1].open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["task"], line["method"]) for line in lines] == [(cell.task, cell.method) for cell in found.cells]
    third = next(line for line in lines if line["method"] == "third")
    cell = found.of("shape", "third", "")
    assert cell is not None
    assert (third["seeds"], third["queries"]) == ("0 1", "40")
    assert float(third["retrieval_r1_difference_low"]) == pytest.approx(cell.differences["retrieval_r1"].low, abs=1e-4)
    assert (third["retrieval_map"], third["retrieval_map_low"], third["retrieval_map_difference"]) == ("12.5000", "", "0.0000")
    assert lines[0]["retrieval_r1_difference"] == ""
    content = json.loads(files[2].read_text())
    assert (content["reference"], content["resamples"], content["level_percent"]) == ("VCLR", 2000, 95.0)
    assert content["cells"][1]["differences"]["retrieval_r1"]["value"] == pytest.approx(found.cells[1].differences["retrieval_r1"].value)
    assert files[3].read_text().startswith("<svg")
    assert files[0].read_text().startswith("![")
