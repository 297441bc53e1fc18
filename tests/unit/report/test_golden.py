"""Golden curves: the bound grows from step to step, and a difference, a missing value or a NaN beyond it is found."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from vclr_pl.report.golden import Bound, GoldenCurves, read_golden
from vclr_pl.report.record import ResultRecord, write_record
from vclr_pl.types import InputError


def record(**metrics: float) -> ResultRecord:
    return ResultRecord(name="demo", metrics=metrics, baseline={"knn_top1": 20.0}, provenance={"seed": 0}, timings_seconds={})


def golden() -> GoldenCurves:
    return GoldenCurves(
        record=record(knn_top1=40.0, retrieval_r1=50.0),
        curves={"train/loss": [(1, 8.0), (2, 7.0), (3, 6.0)], "train/lr": [(1, 0.5)], "val/knn_top1": [(3, 40.0)]},
        bounds={"train/loss": Bound(1e-4, 10.0, 1.0), "knn_top1": Bound(2.0, 1.0, 2.0)},
        made={"command": "python -m vclr_pl.train objective=vclr"},
    )


REPEATED = {"train/loss": [(1, 8.0), (2, 7.0), (3, 6.0)], "val/knn_top1": [(3, 40.0)]}


def test_a_bound_grows_geometrically() -> None:
    bound = Bound(1e-6, 10.0, 5e-3)
    assert [bound.at(step) for step in range(7)] == pytest.approx([1e-6, 1e-6, 1e-5, 1e-4, 1e-3, 5e-3, 5e-3])
    assert bound.at(10_000_000) == 5e-3


def test_curves_results_and_baseline_are_compared_where_they_have_bounds() -> None:
    found = golden().deviations(REPEATED, record=record(knn_top1=41.0, retrieval_r1=0.0))
    assert [(one.name, one.share, one.is_outside) for one in found] == [
        ("train/loss", 0.0, False),
        ("val/knn_top1", 0.0, False),
        ("knn_top1", 0.5, False),
        ("knn_top1, baseline", 0.0, False),
    ]


def test_the_step_nearest_to_its_bound_is_found() -> None:
    curves = {**REPEATED, "train/loss": [(1, 8.0 + 0.9e-4), (2, 7.0 - 1.1e-3), (3, 6.009)]}
    loss = golden().deviations(curves, record=record(knn_top1=40.0))[0]
    assert (loss.step, loss.value, loss.stored, loss.bound) == (2, 7.0 - 1.1e-3, 7.0, pytest.approx(1e-3))
    assert loss.is_outside
    assert loss.share == pytest.approx(1.1)
    assert str(loss) == "train/loss at step 2: 6.9989, stored 7, outside the bound of 0.001"


@pytest.mark.parametrize("points", [[(1, 8.0), (3, 6.0)], [(1, 8.0), (2, math.nan), (3, 6.0)], [(1, 8.0), (2, math.inf), (3, 6.0)], []])
def test_a_missing_or_broken_value_is_outside(points: list[tuple[int, float]]) -> None:
    loss = golden().deviations({**REPEATED, "train/loss": points}, record=record(knn_top1=40.0))[0]
    assert loss.is_outside
    assert loss.share == math.inf


def test_a_result_that_is_gone_is_outside() -> None:
    found = golden().deviations(REPEATED, record=record(retrieval_r1=50.0))
    assert [one.name for one in found if one.is_outside] == ["knn_top1"]


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    golden().write(tmp_path / "golden.json")
    assert read_golden(tmp_path / "golden.json") == golden()
    write_record(record(), tmp_path / "results.json")
    assert read_golden(tmp_path / "results.json") is None


def test_an_incomplete_file_is_an_error(tmp_path: Path) -> None:
    golden().write(tmp_path / "golden.json")
    content = json.loads((tmp_path / "golden.json").read_text())
    del content["record"]
    (tmp_path / "cut.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"expected golden curves in .*cut\.json; got KeyError\('record'\)"):
        read_golden(tmp_path / "cut.json")
