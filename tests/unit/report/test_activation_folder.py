from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image
from tests.unit.report.mapped_row import mapped_row

from vclr_pl.report.activation_folder import ActivationFolder
from vclr_pl.report.activation_sheet import ActivationSheet
from vclr_pl.report.activation_video import ActivationVideo
from vclr_pl.types import BrokenVideo, InputError

SHEET, FILM = ActivationSheet(columns=2, tile_pixels=64), ActivationVideo(tile_pixels=64, seconds=1)


def lines_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_sheet_a_video_and_a_line_for_each(tmp_path: Path) -> None:
    folder = ActivationFolder(path=tmp_path / "new" / "maps", sheet=SHEET, film=FILM)
    rows = [mapped_row("a", frames=2, highest=0.5), mapped_row("b", frames=2)]
    for video in ("/x/cat.mp4", "/y/cat.avi", "/y/a dög; (1).mp4", "/y/.mp4"):
        assert folder.add(video, rows).is_file()
    folder.add_broken(BrokenVideo(path="/x/torn.mp4", backend="pyav", reason="no frames"))
    folder.finish()
    stems = ["cat", "cat_2", "a_dög_1_", "mp4"]
    assert {file.name for file in folder.path.iterdir()} == {
        *(f"{stem}{suffix}" for stem in stems for suffix in (".png", ".mp4")),
        "activation_maps.csv",
        "broken_videos.csv",
    }
    table = lines_of(folder.path / "activation_maps.csv")
    assert table[:3] == [
        ["video", "encoder", "target", "score", "highest", "picture"],
        ["/x/cat.mp4", "a", "feature norm", "12.3456", "0.5", "cat.png"],
        ["/x/cat.mp4", "b", "feature norm", "12.3456", "1", "cat.png"],
    ]
    assert len(table) == 9
    assert lines_of(folder.path / "broken_videos.csv") == [["path", "backend", "reason"], ["/x/torn.mp4", "pyav", "no frames"]]
    with Image.open(folder.path / "cat.png") as sheet:
        assert sheet.format == "PNG"


def test_without_a_film_there_are_pictures_alone(tmp_path: Path) -> None:
    folder = ActivationFolder(path=tmp_path, sheet=SHEET, film=None)
    folder.add("cat.mp4", [mapped_row("a", frames=2)])
    folder.finish()
    assert {file.name for file in tmp_path.iterdir()} == {"cat.png", "activation_maps.csv"}


def test_nothing_readable_and_a_file_in_the_way_are_told(tmp_path: Path) -> None:
    folder = ActivationFolder(path=tmp_path / "maps", sheet=SHEET, film=None)
    folder.add_broken(BrokenVideo(path="/x/torn.mp4", backend="pyav", reason="no frames"))
    with pytest.raises(
        InputError, match=r"got none, 1 failed, the first is '/x/torn.mp4' \(pyav: no frames\)\. .* listed in .*broken_videos\.csv"
    ):
        folder.finish()
    assert len(lines_of(tmp_path / "maps" / "broken_videos.csv")) == 2
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        ActivationFolder(path=tmp_path / "file", sheet=SHEET, film=None)
