"""`check` and training say the same of every file: of your own footage, of mirrored videos, of such as change their size."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.integration.training_read import checked, has_to_be_replaced, replaced_by_training, serves
from tests.unit.video.changing_video import CHANGING, write_changing_video
from tests.unit.video.turned_video import ORIENTATIONS, turn
from tests.video_fixture import write_broken, write_video

from vclr_pl.datasets.video_scan import scan_videos
from vclr_pl.runner.run import run
from vclr_pl.train import train
from vclr_pl.video.readability import Readability

MOST_FILES = 300
HEIGHT, WIDTH = 48, 64
SMALL = ["backbone=small_resnet", "backbone.widths=[8,16]", "transform.size_pixels=32", "trainer=cpu", "trainer.max_epochs=1"]
READING = ["loader.batch_size=2", "loader.workers=1", "loader.max_broken_fraction=1", "evaluation.enabled=false"]


def made(folder: Path, ffmpeg: str) -> list[Path]:
    """Kinds that `check` and training once told apart, and one of each verdict."""
    folder.mkdir()
    paths = [write_changing_video(ffmpeg, folder / suffix[1:], suffix=suffix) for suffix in CHANGING]
    for orientation in ORIENTATIONS:
        path = folder / f"{orientation}.mp4"
        write_video(path, frames=12, height=HEIGHT, width=WIDTH)
        paths.append(turn(path, orientation, height=HEIGHT, width=WIDTH))
    write_broken(folder / "broken.mp4")
    write_video(folder / "short.mp4", frames=3)
    return [*paths, folder / "broken.mp4", folder / "short.mp4"]


def linked(folder: Path, paths: list[Path]) -> list[str]:
    """Links to them, of an even number, so that batches of two leave none out."""
    folder.mkdir()
    links = [folder / f"{number:03}_{path.name}" for number, path in enumerate(paths)]
    for link, path in zip(links, paths, strict=True):
        link.symlink_to(path)
    if len(links) % 2:
        links.append(folder / "even.mp4")
        write_video(links[-1], frames=12)
    return [str(link) for link in links]


def named_by_train(folder: Path, run_folder: Path) -> set[str]:
    """The files in `broken_videos.csv` of one epoch of the command."""
    arguments = ["experiment=folder", f"data.root={folder}", *SMALL, *READING, f"paths.data={run_folder}", f"hydra.run.dir={run_folder}"]
    assert run(train, config_name="train", arguments=arguments) == 0
    with (run_folder / "broken_videos.csv").open(newline="") as file:
        return {line["path"] for line in csv.DictReader(file)}


def agree(rows: dict[str, Readability], named: set[str]) -> None:
    names = {Path(path).name for path in named}
    assert {Path(path).name for path, row in rows.items() if has_to_be_replaced(row)} - names == set()
    assert {Path(path).name for path, row in rows.items() if serves(row)} & names == set()


def compare(links: list[str], run_folder: Path) -> dict[str, Readability]:
    rows = checked(links)
    assert set(rows) == set(links)
    agree(rows, set(replaced_by_training(links)))
    agree(rows, named_by_train(Path(links[0]).parent, run_folder))
    return rows


def test_of_made_kinds(tmp_path: Path, ffmpeg: str) -> None:
    links = linked(tmp_path / "set", made(tmp_path / "made", ffmpeg))
    rows = compare(links, tmp_path / "run")
    refused = {Path(path).name[4:] for path, row in rows.items() if not serves(row)}
    assert refused == {"broken.mp4", "short.mp4"}


def test_of_real_footage(tmp_path: Path, real_footage: Path) -> None:
    paths = [real_footage / path for path in scan_videos(real_footage)][:MOST_FILES]
    if not paths:
        pytest.skip("no real footage: the folder holds no videos")
    write_broken(tmp_path / "broken.mp4")
    compare(linked(tmp_path / "set", [*paths, tmp_path / "broken.mp4"]), tmp_path / "run")
