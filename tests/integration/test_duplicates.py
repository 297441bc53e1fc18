"""`retrieve duplicates=true` on small files: groups of copies, links, blank and broken videos, and the calibrated threshold."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.video_fixture import write_broken, write_lines, write_pictures

from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run

COPIES = ("0_mirrored", "1_shorter", "2_small")


def scene(seed: int) -> np.ndarray:
    """`[T, H, W, C]`: colored blocks that change in time."""
    generator = np.random.default_rng(seed)
    ground, moving = (generator.integers(0, 256, shape).astype(np.uint8) for shape in ((1, 4, 6, 3), (20, 4, 6, 3)))
    blocks = np.where(generator.random((1, 4, 6, 1)) < 0.7, ground, moving)
    return np.kron(blocks, np.ones((1, 16, 16, 1), np.uint8))


def write(path: Path, pictures: np.ndarray) -> None:
    height, width = pictures.shape[1:3]
    write_pictures(path, pictures=pictures, height=height, width=width, rate=10, keyframe_every=5)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`set/`: 12 scenes and a copy of three of them, made in other ways than those of the calibration."""
    folder = tmp_path_factory.mktemp("duplicates")
    for number in range(12):
        write(folder / "set" / f"{number}.mp4", scene(number))
    write(folder / "set" / "0_mirrored.mp4", scene(0)[:, :, ::-1])
    write(folder / "set" / "1_shorter.mp4", scene(1)[2:])
    write(folder / "set" / "2_small.mp4", scene(2)[:, ::2, ::2])
    return folder


def arguments(places: Path, name: str, root: Path, *more: str) -> list[str]:
    here = ["encoder=random", "backbone=small_resnet", f"paths.data={places / 'kept'}", f"hydra.run.dir={places / 'runs' / name}"]
    quick = ["trainer=cpu", "loader.workers=0", "protocol.frames=6", "protocol.crop_pixels=64", "decoding=pyav", "duplicates=true"]
    return [*here, *quick, f"gallery.root={root}", *more]


def table(places: Path, name: str, file: str = "duplicates") -> list[dict[str, str]]:
    with (places / "runs" / name / f"{file}.csv").open(newline="") as opened:
        return [{**line, "path": Path(line["path"]).name} if "path" in line else line for line in csv.DictReader(opened)]


def test_copies_are_groups_and_distinct_videos_are_not(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(retrieve, config_name="retrieve", arguments=arguments(places, "auto", places / "set")) == 0
    found = {(line["group"], line["path"], line["decision"], line["why"]) for line in table(places, "auto")}
    groups = {frozenset(path for group, path, _, _ in found if group == number) for number, *_ in found}
    assert groups == {frozenset({f"{name[0]}.mp4", f"{name}.mp4"}) for name in COPIES}
    assert {(path, decision, why) for _, path, decision, why in found} >= {
        ("1.mp4", "keep", "longest"),
        ("1_shorter.mp4", "remove", "shorter"),
        ("2.mp4", "keep", "most pixels"),
        ("2_small.mp4", "remove", "fewer pixels"),
    }
    out = capsys.readouterr().out
    assert "calibration: 6 copies of each of 15 videos (re-encoded, trimmed, cropped, rescaled, with a logo, mirrored)" in out
    assert "of 90 copies made of 15 of the videos (re-encoded 100%, trimmed 100%" in out
    page = (places / "runs" / "auto" / "duplicates.html").read_text()
    assert "3 groups of near duplicates among 15 videos: 3 could be removed, 12 remain (3 kept of groups, 9 in no group). Clips of" in page
    assert not list((places / "runs" / "auto").glob("made_copies*"))
    assert len(list((places / "kept" / "features").glob("*/features.npy"))) == 1  # of the gallery; none of copies


def test_a_number_is_the_threshold_and_no_copy_is_made(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("minimum_similarity=-1", "page=null")
    assert run(retrieve, config_name="retrieve", arguments=arguments(places, "number", places / "set", *more)) == 0
    assert len(table(places, "number", "duplicate_pairs")) == 15 * 14 / 2
    assert len({line["group"] for line in table(places, "number")}) == 1
    out = capsys.readouterr().out
    assert "calibration" not in out
    assert "Near duplicates have a similarity of -1 or more." in out
    more = ("minimum_similarity=-1", "page=null", "maximum_pairs=3")
    assert run(retrieve, config_name="retrieve", arguments=arguments(places, "few", places / "set", *more)) == 0
    assert "the groups come from the 3 most similar of 105 pairs (maximum_pairs)" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["minimum_similarity=high", "minimum_similarity=2", "calibration.videos=0"])
def test_a_wrong_threshold_is_one_line(places: Path, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(retrieve, config_name="retrieve", arguments=arguments(places, "wrong", places / "set", wrong)) == 2
    error = capsys.readouterr().err
    assert wrong.split("=")[0] in error
    assert len(error.splitlines()) == 1


def test_links_and_blank_videos_are_in_no_group(places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        shutil.copy(places / "set" / f"{number}.mp4", tmp_path)
    shutil.copy(places / "set" / "0.mp4", tmp_path / "same.mp4")
    for number in (0, 1):
        write(tmp_path / f"black{number}.mp4", 0 * scene(0))
    (tmp_path / "soft.mp4").symlink_to("1.mp4")
    (tmp_path / "hard.mp4").hardlink_to(tmp_path / "2.mp4")
    names = ["0", "1", "2", "same", "black0", "black1", "soft", "hard"]
    listed = write_lines(tmp_path / "list.txt", [f"{name}.mp4" for name in names])
    more = ("data@gallery=video_list", f"gallery.train={listed}", "minimum_similarity=1", "page=null")
    assert run(retrieve, config_name="retrieve", arguments=arguments(places, "links", tmp_path, *more)) == 0
    assert [(line["path"], line["decision"]) for line in table(places, "links")] == [("0.mp4", "keep"), ("same.mp4", "remove")]
    left_out = {line["path"]: Path(line["reason"]).name for line in table(places, "links", "left_out")}
    blank = "every frame has a single color"
    assert left_out == {"soft.mp4": "1.mp4", "hard.mp4": "2.mp4", "black0.mp4": blank, "black1.mp4": blank}
    out = capsys.readouterr().out
    assert "2 videos are other names of the same files and count once" in out
    assert "2 videos are in no pair, since every frame has a single color" in out


@pytest.mark.parametrize(("readable", "broken"), [(1, 0), (1, 3), (2, 0)])
def test_small_galleries_have_no_group(places: Path, tmp_path: Path, readable: int, broken: int) -> None:
    for number in range(readable):
        shutil.copy(places / "set" / f"{number}.mp4", tmp_path)
    for number in range(broken):
        write_broken(tmp_path / f"broken{number}.mp4")
    name = f"small{readable}{broken}"
    assert run(retrieve, config_name="retrieve", arguments=arguments(places, name, tmp_path)) == 0
    assert table(places, name) == table(places, name, "duplicate_pairs") == []
    assert "0 groups of near duplicates among" in (places / "runs" / name / "duplicates.html").read_text()


def test_a_gallery_that_cannot_be_read_is_one_line(places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_broken(tmp_path / "broken.mp4")
    assert run(retrieve, config_name="retrieve", arguments=arguments(places, "broken", tmp_path)) == 2
    assert "expected gallery videos that can be read; got none, 1 failed" in capsys.readouterr().err
