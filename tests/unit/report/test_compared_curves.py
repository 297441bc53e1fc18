"""Curves of runs on common axes, from files as runs write them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.report.test_comparison import write

from vclr_pl.report.compared_curves import averaged, compared_charts, curves_of, golden_comparisons, mean_curves, read_curves
from vclr_pl.report.compared_runs import over_seeds, read_runs
from vclr_pl.report.golden import Bound, GoldenCurves, read_golden


def run(folder: Path, *, seed: int, losses: list[float], knn: tuple[float, float]) -> Path:
    figures = {"metrics": {"knn_top1": knn[1]}, "baseline": {"knn_top1": knn[0]}}
    write(folder, **figures, provenance={"seed": seed}, training={"steps": len(losses)})
    rows = [f"{step},{loss},{loss / 2},," for step, loss in enumerate(losses)]
    rows.insert(2, "1,,,,40.0")  # the monitor's value after the second step
    header = "step,train/loss,train/loss_inter_frame,train/videos_per_second,val/knn_top1"
    (folder / "metrics.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "config.yaml").write_text(f"# experiment=demo seed={seed}\nname: x\n")
    return folder


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    run(tmp_path / "0", seed=0, losses=[4.0, 3.0, 2.0], knn=(10.0, 50.0))
    run(tmp_path / "1", seed=1, losses=[6.0, 5.0, 4.0], knn=(20.0, 60.0))
    return tmp_path


def test_runs_are_on_common_axes_and_named_by_what_differs(sweep: Path) -> None:
    groups = {group.title: group for group in compared_charts(read_runs([str(sweep)]))}
    assert list(groups) == ["Losses", "Evaluation"]
    total, term = groups["Losses"].charts
    assert (total.title, term.title) == ("total loss", "inter frame")
    assert [curve.name for curve in total.curves] == ["0: seed 0", "1: seed 1"]
    assert list(total.curves[1].points) == [(1, 6.0), (2, 5.0), (3, 4.0)]
    (knn,) = groups["Evaluation"].charts
    assert (knn.title, knn.unit) == ("kNN top-1", "%")
    assert list(knn.curves[0].points) == [(0, 10.0), (2, 40.0), (3, 50.0)]  # before training, between epochs, after training


def test_seeds_together_have_their_mean(sweep: Path) -> None:
    (losses, evaluation) = compared_charts(over_seeds(read_runs([str(sweep)])))
    (mean,) = losses.charts[0].curves
    assert list(mean.points) == [(1, 5.0), (2, 4.0), (3, 3.0)]
    assert list(evaluation.charts[0].curves[0].points) == [(0, 15.0), (2, 40.0), (3, 55.0)]


def test_the_gap_is_one_chart_and_the_guess_a_level(tmp_path: Path) -> None:
    for seed, guess in ((0, 8.3), (1, 8.3)):
        folder = write(tmp_path / str(seed), provenance={"seed": seed}, guess_losses={"loss_inter_frame": guess})
        header = "step,train/loss_inter_frame,train/inter_frame_positive_similarity,train/inter_frame_batch_similarity"
        (folder / "metrics.csv").write_text(f"{header}\n0,8.0,0.75,0.5\n1,7.0,0.75,{seed}\n2,6.0,0.75,\n")
    losses, similarities = compared_charts(read_runs([str(tmp_path)]))
    assert [(level.name, level.value) for level in losses.charts[0].levels] == [("random guess: 8.3", 8.3)]
    (gap,) = similarities.charts
    assert gap.title == "inter frame: positives minus other videos"
    assert [list(curve.points) for curve in gap.curves] == [[(1, 0.25), (2, 0.75)], [(1, 0.25), (2, -0.25)]]
    assert [(level.name, level.value) for level in gap.levels] == [("no gap", 0.0)]


def test_steps_that_a_run_lacks_have_no_mean() -> None:
    assert mean_curves([{"a": [(1, 1.0), (2, 2.0)]}, {"a": [(2, 4.0), (3, 5.0)]}, {"a": [(2, 6.0)], "b": [(1, 1.0)]}]) == {"a": [(2, 4.0)]}


def test_a_resumed_run_has_its_earlier_starts(tmp_path: Path) -> None:
    (tmp_path / "metrics_until_2026-11-29_10-00-00.csv").write_text("step,train/loss\n0,9.0\n1,8.0\n2,7.0\n")
    (tmp_path / "metrics.csv").write_text("step,train/loss\n2,6.0\n3,nan\n4,half\n,1.0\n")
    curve = read_curves(tmp_path)["train/loss"]
    assert curve[:3] == [(1, 9.0), (2, 8.0), (3, 6.0)]
    assert len(curve) == 4  # a NaN is kept, text and a row without a step are not
    assert read_curves(tmp_path / "absent") == {}


def test_long_curves_are_averaged() -> None:
    found = averaged([(step, float(step % 2)) for step in range(1, 1001)], limit=100)
    assert len(found) == 100
    assert found[0] == (6, 0.5)
    assert averaged([(1, 2.0)], limit=100) == [(1, 2.0)]


def test_runs_without_curves_have_no_charts(tmp_path: Path) -> None:
    write(tmp_path / "evaluated", metrics={"knn_top1": 1.0})
    assert compared_charts(read_runs([str(tmp_path)])) == []


@pytest.fixture
def golden(sweep: Path) -> Path:
    """Golden curves of the run in `sweep/0`."""
    (stored,) = read_runs([str(sweep / "0")])
    bounds = {"train/loss": Bound(0.5, 1.5, 1.0), "knn_top1": Bound(5.0, 1.0, 5.0)}
    made = {"command": "python -m vclr_pl.train experiment=demo seed=0"}
    GoldenCurves(record=stored.record, curves=curves_of(stored), bounds=bounds, made=made).write(sweep / "stored.json")
    return sweep / "stored.json"


def test_golden_curves_are_a_run_with_bands(sweep: Path, golden: Path) -> None:
    losses, evaluation = compared_charts(read_runs([str(sweep / "1"), str(golden)]))
    total, term = losses.charts
    assert [curve.name for curve in total.curves] == ["1: seed 1", "stored: seed 0"]
    assert list(total.curves[1].points) == [(1, 4.0), (2, 3.0), (3, 2.0)]
    (band,) = total.bands
    assert band.name == "bounds of stored"
    assert [value for point in band.points for value in point] == pytest.approx([1, 3.5, 4.5, 2, 2.25, 3.75, 3, 1.0, 3.0])
    assert term.bands == []  # it has no bound
    assert list(evaluation.charts[0].bands[0].points) == [(0, 5.0, 15.0), (2, 35.0, 45.0), (3, 45.0, 55.0)]


def test_runs_are_measured_against_golden_curves(sweep: Path, golden: Path) -> None:
    same, other = golden_comparisons(read_runs([str(sweep / "0"), str(sweep / "1"), str(golden)]))
    assert (same.run, same.golden, same.outside) == ("0: seed 0", "stored", [])
    assert same.verdict.startswith(
        "0: seed 0 against stored: all 4 curves and results are within their bounds; nearest to it: train/loss, 0%"
    )
    assert [one.name for one in other.outside] == ["train/loss", "knn_top1", "knn_top1, baseline"]
    assert other.verdict == "1: seed 1 against stored: 3 of 4 curves and results are outside their bounds"
    assert golden_comparisons(read_runs([str(sweep / "0"), str(sweep / "1")])) == []


def test_curves_without_bounds_are_said(sweep: Path, golden: Path) -> None:
    stored = read_golden(golden)
    assert stored is not None
    replace(stored, bounds={}).write(golden)
    (pair,) = golden_comparisons(read_runs([str(sweep / "0"), str(golden)]))
    assert pair.verdict == "0 against stored: no curve has a bound"
