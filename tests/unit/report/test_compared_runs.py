"""Runs as their folders have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.report.test_comparison import write

from vclr_pl.report.compared_runs import read_runs
from vclr_pl.types import InputError


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results\.json"):
        read_runs([str(tmp_path)])
    (tmp_path / "results.json").write_text('{"other": 1}')
    with pytest.raises(InputError, match="written by this program"):
        read_runs([str(tmp_path)])


def test_job_10_follows_job_9(tmp_path: Path) -> None:
    for number in range(11):
        write(tmp_path / str(number), metrics={"auc": 1.0})
    assert [run.name for run in read_runs([str(tmp_path)])][-2:] == ["9", "10"]
