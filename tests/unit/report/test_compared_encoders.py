"""The table of encoders, its lines for files, and its page."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from rich.console import Console

from vclr_pl.evaluation.scoring import Difference
from vclr_pl.report.compared_encoders import EncoderComparison, millions, points, print_encoders, write_encoders
from vclr_pl.report.record import ResultRecord


def record(name: str, value: float, speed: float | None) -> ResultRecord:
    facts = {"path": "p", "origin": "o", "view": "v", "pooling_segments": 1, "parameters": 3_370_000, "feature_dim": 1280}
    return ResultRecord(
        name=name,
        metrics={"retrieval_r1": value, "retrieval_r5": 99.0},
        baseline={},
        provenance={},
        timings_seconds={},
        intervals={"retrieval_r1": [value - 5, value + 5], "retrieval_r5": [98.0, 100.0]},
        chance={"retrieval_r1": 10.0},
        encoder={**facts, "videos_per_second": speed},
    )


def comparison() -> EncoderComparison:
    return EncoderComparison(
        encoders=[record("[a]", 60.0, None), record("b", 70.0, 12.34)],
        differences=[{}, {"retrieval_r1": Difference(10.0, 2.0, 18.0), "retrieval_r5": Difference(0.0, -1.0, 1.0)}],
        level_percent=95,
        gallery=200,
        queries=50,
        leave_one_out=False,
    )


def printed(found: EncoderComparison, *, width: int, is_terminal: bool) -> str:
    file = io.StringIO()
    print_encoders(found, title="t", console=Console(file=file, width=width, force_terminal=is_terminal, color_system=None))
    return file.getvalue()


def test_the_table_has_values_intervals_and_differences() -> None:
    text = printed(comparison(), width=40, is_terminal=False)
    assert "│ [a]     │      3.4 M │  1280 │     kept │" in text
    assert "│ b       │      3.4 M │  1280 │     12.3 │" in text
    assert "retrieval R@1, chance 10.0" in text
    assert "│   b                        │ 70.0 │ 65.0 to 75.0 │ +10.0 (2.0 to 18.0) │" in text
    assert "R@5" not in text
    assert '50 queries, 200 gallery videos. Differences from "[a]" in points, paired over the queries' in text
    assert max(map(len, printed(comparison(), width=80, is_terminal=True).splitlines())) <= 80


def test_a_difference_that_rounds_to_zero_has_no_minus() -> None:
    assert points(Difference(-0.04, -0.04, 0.04)) == "+0.0 (0.0 to 0.0)"
    assert points(Difference(-0.06, -3.0, 2.0)) == "-0.1 (-3.0 to 2.0)"


def test_the_csv_file_and_the_json_have_all_metrics(tmp_path: Path) -> None:
    write_encoders(tmp_path / "compare.csv", comparison())
    with (tmp_path / "compare.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert [first["encoder"], first["videos_per_second"], first["retrieval_r1"], first["retrieval_r1_difference"]] == [
        "[a]",
        "",
        "60.0000",
        "",
    ]
    ends = ["", "_low", "_high", "_difference", "_difference_low", "_difference_high"]
    assert [second[f"retrieval_r5{end}"] for end in ends] == ["99.0000", "98.0000", "100.0000", "0.0000", "-1.0000", "1.0000"]
    content = json.loads(comparison().json())
    assert content["differences"] == [{}, {"retrieval_r1": [10.0, 2.0, 18.0], "retrieval_r5": [0.0, -1.0, 1.0]}]
    assert [one["name"] for one in content["encoders"]] == ["[a]", "b"]


def test_numbers_of_parameters() -> None:
    assert [millions(count) for count in (1_000, 99_999, 278_000, 23_500_000)] == ["1.0 k", "100.0 k", "0.3 M", "23.5 M"]
