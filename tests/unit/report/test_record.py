from __future__ import annotations

import csv
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from vclr_pl.report.record import ResultRecord, add_to_broken_list, listed_error, read_record, read_records, results_last, write_record
from vclr_pl.types import BrokenVideo, nothing_readable


def test_a_record_comes_back_as_it_went(tmp_path):
    record = ResultRecord(
        name="demo", metrics={"knn_top1": 12.5}, baseline={}, provenance={"seed": 3}, timings_seconds={"fit": 1.0}, training={"epochs": 2}
    )
    write_record(record, tmp_path / "run" / "results.json")
    assert read_record(tmp_path / "run" / "results.json") == record
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["results.json"]


def test_the_records_of_a_run_and_of_a_comparison(tmp_path):
    one = ResultRecord(name="a", metrics={"knn_top1": 1.0}, baseline={}, provenance={}, timings_seconds={})
    write_record(one, tmp_path / "run.json")
    assert read_records(tmp_path / "run.json") == [one]
    (tmp_path / "compare.json").write_text(json.dumps({"encoders": [asdict(one), {**asdict(one), "name": "b"}], "differences": []}))
    assert read_records(tmp_path / "compare.json") == [one, replace(one, name="b")]


FIRST, SECOND = BrokenVideo("a, b.mp4", "pyav", "no frames"), BrokenVideo("c.mp4", "", "5 frames, 6 needed")


def lines_of(file):
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        return list(csv.reader(stream))


def test_a_list_grows_and_names_each_video_once(tmp_path):
    file = tmp_path / "run" / "broken_videos.csv"
    add_to_broken_list(file, [FIRST])
    add_to_broken_list(file, [SECOND, BrokenVideo("a, b.mp4", "torchcodec", "cut")])
    assert lines_of(file) == [["path", "backend", "reason"], ["a, b.mp4", "torchcodec", "cut"], ["c.mp4", "", "5 frames, 6 needed"]]
    assert [path.name for path in file.parent.iterdir()] == ["broken_videos.csv"]


def test_a_name_that_is_no_text_comes_back(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    for _ in range(2):
        add_to_broken_list(tmp_path / "list.csv", [BrokenVideo(name, "pyav", "no frames")])
    assert lines_of(tmp_path / "list.csv")[1:] == [[name, "pyav", "no frames"]]


def test_an_error_gives_the_first_cause_and_the_file_that_holds_the_others(tmp_path):
    error = listed_error(nothing_readable("gallery videos", [FIRST, SECOND]), file=tmp_path / "broken_videos.csv")
    assert str(error) == (
        "expected gallery videos that can be read; got none, 2 failed, the first is 'a, b.mp4' (pyav: no frames). "
        f"Replace or repair the files. All of them are listed in {tmp_path / 'broken_videos.csv'}."
    )
    assert len(lines_of(tmp_path / "broken_videos.csv")) == 3


def test_results_are_written_last_and_an_error_does_not_cost_them(tmp_path: Path) -> None:
    record, path = ResultRecord(name="run", metrics={}, baseline={}, provenance={}, timings_seconds={}), tmp_path / "results.json"
    with results_last(record, path):
        assert not path.exists()
    assert path.is_file()
    for error, is_kept in ((ValueError, True), (KeyboardInterrupt, False)):
        path.unlink(missing_ok=True)
        with pytest.raises(error), results_last(record, path):
            raise error
        assert path.exists() == is_kept
