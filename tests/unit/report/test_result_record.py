from __future__ import annotations

from vclr_pl.report.result_record import ResultRecord, read_record, write_record


def test_a_record_comes_back_as_it_went(tmp_path):
    record = ResultRecord(
        name="demo", metrics={"knn_top1": 12.5}, baseline={}, provenance={"seed": 3}, timings_seconds={"fit": 1.0}, training={"epochs": 2}
    )
    write_record(record, tmp_path / "run" / "results.json")
    assert read_record(tmp_path / "run" / "results.json") == record
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["results.json"]
