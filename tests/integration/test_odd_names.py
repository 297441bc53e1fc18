"""Names of files, classes and folders that are not UTF-8, through every command that reads videos."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.integration.surroundings import TASKS, arguments_of, make_places

from vclr_pl.runner.run import run

ODD, SHOWN = os.fsdecode(b"caf\xe9"), "caf\\xe9"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class and the videos `jump` under an odd name, in a folder with an odd name."""
    folder = tmp_path_factory.mktemp("odd") / ODD
    folder.mkdir()
    make_places(folder)
    videos = (folder / "videos" / "jump").rename(folder / "videos" / ODD)
    for video in list(videos.iterdir()):
        video.rename(video.with_name(video.name.replace("jump", ODD)))
    listed = [f"{video.relative_to(folder / 'videos')},{video.parent.name}" for video in sorted((folder / "videos").rglob("*.mp4"))]
    (folder / "list.csv").write_bytes(os.fsencode("\n".join(["path,label", *listed])))
    annotations = folder / "untrimmed.json"
    annotations.write_text(annotations.read_text().replace("jump_", "caf\\udce9_"))
    return folder


@pytest.mark.parametrize("command", sorted(set(TASKS) - {"convert"}))
def test_every_command(command, places, tmp_path, capfd):
    arguments = [part.replace("videos/jump", f"videos/{ODD}") for part in arguments_of(places, tmp_path / "out")[command]]
    if command == "finetune":  # with a test
        arguments += ["data=video_list", f"data.train={places}/list.csv", f"data.test={places}/list.csv", "bootstrap.resamples=20"]
    assert run(TASKS[command], config_name=command, arguments=arguments) == 0, capfd.readouterr().err
    written = [path for path in (tmp_path / "out" / "runs").rglob("*") if path.suffix in (".json", ".html", ".log", ".md", ".yaml")]
    assert written
    for path in written:
        path.read_text(encoding="utf-8")  # text, whatever the names
    (results,) = [path for path in written if path.name == "results.json"] or [None]
    if command == "finetune":
        assert results is not None
        (of_class,) = json.loads(results.read_text())["by_class"].values()
        assert SHOWN in of_class
        confusion = results.with_name("confusion.csv").read_bytes()
        assert confusion.startswith(b"true class,caf\xe9,run")
    if command == "visualize":
        (table,) = (tmp_path / "out").rglob("activation_maps.csv")
        assert table.read_bytes().count(b"caf\xe9_") == 1
        assert len(list(table.parent.glob("*.png"))) == 2
