"""`python -m vclr_pl.check`: what is said of a folder, and the exit status."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from tests.file_size_limit import small_files
from tests.video_fixture import make_ucf101, write_broken, write_video

from vclr_pl.check import check
from vclr_pl.runner.run import run


def command(tmp_path: Path, *arguments: str) -> int:
    return run(check, config_name="check", arguments=[*arguments, f"hydra.run.dir={tmp_path / 'run'}"])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_with_a_broken_file(tmp_path, capsys):
    write_video(tmp_path / "data/ü, b.mp4", frames=9)
    write_broken(tmp_path / "data/a.avi")
    (tmp_path / "data/sound.wav").write_bytes(b"RIFF")
    assert command(tmp_path, f"data.root={tmp_path / 'data'}") == 1
    first, second = rows_of(tmp_path / "run/check.csv")
    assert list(first) == ["path", "status", "backend", "frames", "reason"]
    assert (Path(first["path"]).name, first["status"], first["frames"]) == ("a.avi", "broken", "0")
    assert "Invalid data" in first["reason"]
    assert (Path(second["path"]).name, second["status"], second["frames"], second["reason"]) == ("ü, b.mp4", "readable", "9", "")
    shown = capsys.readouterr().out
    assert "1 of 2 files are readable, 9 frames; 1 are not" in shown
    assert "a.avi" in shown


def test_a_readable_layout_into_a_file_of_choice(tmp_path):
    make_ucf101(tmp_path / "data")
    assert command(tmp_path, "data=ucf101", f"data.root={tmp_path / 'data'}", f"output={tmp_path / 'report.csv'}") == 0
    rows = rows_of(tmp_path / "report.csv")
    assert len({row["path"] for row in rows}) == len(rows) == 12
    assert {(row["status"], row["frames"]) for row in rows} == {("readable", "12")}


@pytest.mark.parametrize("arguments", [["data.root=absent"], [], ["data.root=.", "reading.processes=0"], ["data.rot=."]])
def test_bad_usage_is_2(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "v.mp4")
    assert command(tmp_path, *arguments) == 2
    assert capsys.readouterr().err.startswith("error: expected")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_machine_that_cannot_decode_is_2_and_no_count(tmp_path, capsys):
    for number in range(3):
        write_video(tmp_path / f"data/{number}.mp4", frames=9)
    with small_files():
        assert command(tmp_path, f"data.root={tmp_path / 'data'}") == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: expected a process for decoding")
    assert "readable" not in said.out
