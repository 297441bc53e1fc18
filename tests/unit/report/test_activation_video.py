"""The written video, decoded again."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from tests.unit.report.mapped_row import mapped_row

from vclr_pl.report.activation_sheet import GAP_PIXELS
from vclr_pl.report.activation_video import SCALE_PIXELS, ActivationVideo
from vclr_pl.types import InputError

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
