from __future__ import annotations

import csv
import logging
import os
from pathlib import Path
from types import SimpleNamespace

from tests.unit.callback.stage import trainer

from vclr_pl.callback.broken_videos import BrokenVideoList
from vclr_pl.types import BrokenVideo

BROKEN = (BrokenVideo("a, b.mp4", "pyav", "no frames"), BrokenVideo("c.mp4", "", "5 frames, 6 needed"))


def run_with(broken, *, first=True):
    return trainer(is_global_zero=first, datamodule=SimpleNamespace(broken_videos=broken))


def test_they_are_written_and_listed(tmp_path, caplog):
    path = tmp_path / "run" / "broken_videos.csv"
    with caplog.at_level(logging.WARNING):
        BrokenVideoList(path=str(path)).on_train_end(run_with(BROKEN), None)
    with path.open() as file:
        assert list(csv.reader(file)) == [
            ["path", "backend", "reason"],
            ["a, b.mp4", "pyav", "no frames"],
            ["c.mp4", "", "5 frames, 6 needed"],
        ]
    assert [record.getMessage() for record in caplog.records][1:] == ["  a, b.mp4 (pyav: no frames)", "  c.mp4 (5 frames, 6 needed)"]


def test_they_are_kept_of_a_run_that_breaks_off(tmp_path):
    path = tmp_path / "broken_videos.csv"
    BrokenVideoList(path=str(path)).on_exception(run_with(BROKEN), None, KeyboardInterrupt())
    assert len(path.read_text().splitlines()) == 3


def test_nothing_broken_is_no_file(tmp_path, caplog):
    callback = BrokenVideoList(path=str(tmp_path / "broken_videos.csv"))
    callback.on_train_end(run_with(()), None)
    callback.on_train_epoch_end(run_with(BROKEN, first=False), None)
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


def test_a_file_name_that_is_no_text_comes_back_from_the_list(tmp_path):
    video = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    video.write_text("no video")
    path = tmp_path / "broken_videos.csv"
    BrokenVideoList(path=str(path)).on_train_end(run_with((BrokenVideo(str(video), "pyav", "no frames"),)), None)
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        listed = Path(list(csv.reader(file))[1][0])
    assert listed.read_text() == "no video"
