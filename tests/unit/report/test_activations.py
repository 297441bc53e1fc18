"""The written video, decoded again."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.unit.report.mapped_row import mapped_row

from vclr_pl.report.activation_sheet import GAP_PIXELS, ActivationSheet
from vclr_pl.report.activations import SCALE_PIXELS, ActivationFolder, ActivationVideo
from vclr_pl.types import BrokenVideo, InputError

TILE = 64


def decoded(path: Path) -> tuple[np.ndarray, float]:
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate or 0)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]), rate


def test_frames_and_maps_stand_side_by_side_in_order(tmp_path: Path) -> None:
    rows = [mapped_row("a", frames=10), mapped_row("b", frames=5)]
    ActivationVideo(tile_pixels=TILE, seconds=5).write(rows, tmp_path / "maps.mp4")
    pictures, rate = decoded(tmp_path / "maps.mp4")
    assert (len(pictures), rate) == (10, 2.0)
    middle = pictures.shape[1] - GAP_PIXELS - TILE // 2
    left = [
        GAP_PIXELS + TILE // 2,
        GAP_PIXELS + TILE + GAP_PIXELS + TILE // 2,
        GAP_PIXELS + 2 * (TILE + GAP_PIXELS) + SCALE_PIXELS + TILE // 2,
    ]
    for number, picture in enumerate(pictures):
        np.testing.assert_allclose(picture[middle, left[0]], [20 * number] * 3, atol=6)
        for place, row, own in ((left[1], rows[0], number), (left[2], rows[1], number // 2)):
            np.testing.assert_allclose(picture[middle, place].astype(int), row.overlays(np.array([own]))[0, 8, 8], atol=10)
    assert [file.name for file in tmp_path.iterdir()] == ["maps.mp4"]


@pytest.mark.parametrize("frames", [1, 3])
def test_a_very_short_video_is_one_that_players_take(frames: int, tmp_path: Path) -> None:
    ActivationVideo(tile_pixels=TILE + 1, seconds=6).write([mapped_row("a", frames=frames)], tmp_path / "maps.mp4")
    pictures, rate = decoded(tmp_path / "maps.mp4")
    assert (len(pictures), rate) == (frames, 1.0)
    assert pictures.shape[1] % 2 == pictures.shape[2] % 2 == 0


@pytest.mark.parametrize(("tile_pixels", "seconds"), [(10, 6), (224, 0)])
def test_figures_out_of_range_are_refused(tile_pixels: int, seconds: float) -> None:
    with pytest.raises(InputError, match=r"video\.seconds=6, or video=null"):
        ActivationVideo(tile_pixels=tile_pixels, seconds=seconds)


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
