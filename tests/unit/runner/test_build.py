from __future__ import annotations

from vclr_pl.runner.build import keep_earlier_metrics


def test_the_curve_of_an_interrupted_run_is_kept_under_another_name(tmp_path):
    keep_earlier_metrics(tmp_path)
    (tmp_path / "metrics.csv").write_text("step,loss")
    keep_earlier_metrics(tmp_path)
    (kept,) = tmp_path.glob("*.csv")
    assert kept.name.startswith("metrics_until_")
    assert kept.read_text() == "step,loss"
