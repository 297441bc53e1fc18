"""Commands that read videos stop at the next one, keep what they have, and continue with the rest."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.integration.signalling import signal_at
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_video

from vclr_pl.check import check
from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.runner.composition import Task
from vclr_pl.runner.run import run

VIDEOS = 6


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    write_run(tmp_path / "run")
    for number in range(VIDEOS):
        write_video(tmp_path / "set" / "ab"[number % 2] / f"{number}.mp4", frames=4 + number)
    data = [f"data.root={tmp_path / 'set'}", f"paths.data={tmp_path / 'data'}", f"paths.runs={tmp_path / 'runs'}"]
    reading = ["trainer=cpu", "loader.workers=0", "loader.videos_per_batch=1", "protocol.frames=2"]
    return [f"encoder={tmp_path / 'run'}", *data, *reading]


def drafts(folder: Path) -> list[Path]:
    return list(folder.rglob("*.unfinished"))


@pytest.mark.parametrize("task", [embed, evaluate])
def test_features_continue_after_the_last_video(tmp_path: Path, words: list[str], task: Task[Any], capfd: Any) -> None:
    name = task.__name__
    measure = ["evaluation=nearest_neighbor", "evaluation.measures.nearest_neighbor.neighbors=1"]
    more = {"evaluate": [*measure, "bootstrap.resamples=20", "page=null"]}
    words = [*words, *more.get(name, [])]
    assert run(task, config_name=name, arguments=[*words, signal_at("4.mp4")]) == 143
    assert "stopped by SIGTERM" in capfd.readouterr().err
    assert not drafts(tmp_path)
    assert run(task, config_name=name, arguments=[*words, "decoding=pyav"]) == 0
    assert f"of {VIDEOS} videos were already done" in capfd.readouterr().out
    (stored,) = [path for path in (tmp_path / "data").rglob("features.npy") if len(np.load(path)) == VIDEOS]
    fresh = [word if not word.startswith("paths.data=") else f"paths.data={tmp_path / 'fresh'}" for word in words]
    assert run(task, config_name=name, arguments=[*fresh, "decoding=pyav"]) == 0
    (undisturbed,) = [path for path in (tmp_path / "fresh").rglob("features.npy") if len(np.load(path)) == VIDEOS]
    assert stored.read_bytes() == undisturbed.read_bytes()


def test_check_lists_the_files_that_it_has_read(tmp_path: Path, words: list[str]) -> None:
    data = [word for word in words if word.startswith(("data.root", "paths."))]
    table = tmp_path / "check.csv"
    more = ["reading.processes=1", f"output={table}"]
    assert run(check, config_name="check", arguments=[*data, *more, signal_at("3.mp4")]) == 143
    with table.open() as file:
        read = [Path(row["path"]).name for row in csv.DictReader(file)]
    assert read[:4] == ["0.mp4", "2.mp4", "4.mp4", "1.mp4"]
    assert "5.mp4" not in read
    assert not drafts(tmp_path)
