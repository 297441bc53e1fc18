"""A finished run, read again, is what the command gave when it ended: see tests/integration/test_resume_auto.py for whole runs."""

from __future__ import annotations

from pathlib import Path

from vclr_pl.command.finished_run import finetuned, pretrained
from vclr_pl.report.record import RESULTS, ResultRecord, write_record


def written(folder: Path, **content: object) -> Path:
    figures = {"metrics": {"knn_top1": 50.0}, "baseline": {"knn_top1": 10.0}, **content}
    write_record(ResultRecord(name="a", provenance={}, timings_seconds={}, **figures), folder / RESULTS)  # type: ignore[arg-type]
    return folder


def test_a_pretrained_encoder(tmp_path: Path) -> None:
    found = pretrained(written(tmp_path, training={"verdict": "learning"}))
    assert (found.metrics, found.baseline, found.verdict, found.page) == ({"knn_top1": 50.0}, {"knn_top1": 10.0}, "learning", None)
    assert found.backbone == tmp_path / "backbone.safetensors"
    (tmp_path / "retrieval.html").touch()
    assert pretrained(tmp_path).page == tmp_path / "retrieval.html"


def test_a_recognizer(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").touch()
    found = finetuned(written(tmp_path, intervals={"top1": [40.0, 60.0]}))
    assert found.intervals == {"top1": (40.0, 60.0)}
    assert (found.predictions, found.confusion) == (tmp_path / "predictions.csv", None)
    assert finetuned(written(tmp_path, metrics={})).predictions is None
