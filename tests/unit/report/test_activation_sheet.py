"""Which picture stands where on a sheet, and what is said beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.report.mapped_row import mapped_row

from vclr_pl.report.activation_sheet import (
    GAP_PIXELS,
    LABEL_PIXELS,
    LINE_PIXELS,
    LUMA,
    MARGIN_PIXELS,
    TITLE_POINTS,
    ActivationSheet,
    colors,
    font,
    overlaid,
    scale_bar,
)
from vclr_pl.types import InputError


def test_the_colors_are_viridis() -> None:
    """Straight lines between seventeen of its colors stay within a few of its 256 levels."""
    matplotlib = pytest.importorskip("matplotlib")
    values = np.linspace(0, 1, 256, dtype=np.float32)
    expected = 255 * matplotlib.colormaps["viridis"](np.arange(256))[:, :3]
    assert np.abs(colors(values) - expected).max() < 6
    assert np.abs(colors(values[[0, 255]]) - expected[[0, 255]]).max() < 1


def test_higher_is_lighter_without_seeing_hues() -> None:
    lightness = colors(np.linspace(0, 1, 100, dtype=np.float32)) @ LUMA
    assert (np.diff(lightness) > 0).all()


def test_the_picture_gives_gray_alone_and_the_value_the_color() -> None:
    red_and_gray = np.array([[[[200, 20, 20]]], [[[74, 74, 74]]]], np.uint8)  # of one lightness
    values = np.array([0.5, 0.5], np.float32).reshape(2, 1, 1)
    red, gray = overlaid(red_and_gray, values)
    assert np.abs(red.astype(int) - gray).max() <= 1
    gray_level = float(red_and_gray[0, 0, 0] @ LUMA)
    expected = 0.5 * gray_level + 0.5 * np.array([33, 145, 140])
    np.testing.assert_allclose(red[0, 0], expected, atol=2)


def test_the_bar_is_drawn_as_maps_are() -> None:
    bar = scale_bar(width=3, height=11)
    assert bar.shape == (11, 3, 3)
    gray = np.full((1, 1, 3), 128, np.uint8)
    assert (bar[0, 0] == overlaid(gray, np.ones((1, 1), np.float32))[0, 0]).all()
    assert (bar[-1, 2] == overlaid(gray, np.zeros((1, 1), np.float32))[0, 0]).all()


TILE = 64
TOP = MARGIN_PIXELS + TITLE_POINTS + LINE_PIXELS + 2 * GAP_PIXELS


def middle_of(sheet: Image.Image, *, line: int, column: int) -> list[int]:
    step = TILE + GAP_PIXELS
    pixel: Any = sheet.getpixel((MARGIN_PIXELS + LABEL_PIXELS + column * step + TILE // 2, TOP + line * step + TILE // 2))
    return list(pixel)


def test_frames_first_and_then_a_line_an_encoder_in_order_of_time() -> None:
    rows = [mapped_row("a", frames=9), mapped_row("b", frames=9, highest=3.0)]
    sheet = ActivationSheet(columns=5, tile_pixels=TILE).draw(rows, title="a video.mp4")
    assert [middle_of(sheet, line=0, column=column) for column in range(5)] == [[20 * place] * 3 for place in (0, 2, 4, 6, 8)]
    for line, row in enumerate(rows, 1):
        for column, place in enumerate((0, 2, 4, 6, 8)):
            np.testing.assert_allclose(middle_of(sheet, line=line, column=column), row.overlays(np.array([place]))[0, 8, 8], atol=2)
    assert sheet.height > TOP + 3 * (TILE + GAP_PIXELS)


def test_a_row_is_scaled_by_its_own_highest_value_over_all_frames() -> None:
    row = mapped_row("a", frames=3, highest=5.0)
    assert (row.highest, float(row.values.max())) == (5.0, 1.0)
    assert [float(value) for value in row.values[:, 0, 0]] == pytest.approx([1 / 3, 2 / 3, 1.0])
    nothing = mapped_row("a", frames=3, highest=0.0)
    assert not nothing.values.any()
    assert nothing.words()[-1] == "no positive contribution"


def test_other_frames_are_shown_above_the_encoder_that_sees_them() -> None:
    rows = [mapped_row("a", frames=4), mapped_row("b", frames=4), mapped_row("clips", frames=8, frames_per_clip=2)]
    sheet = ActivationSheet(columns=2, tile_pixels=TILE).draw(rows, title="")
    # frames, a, b, frames of clips, clips: a clip shows its middle, frames 1 and 7
    assert [middle_of(sheet, line=3, column=column) for column in range(2)] == [[20] * 3, [140] * 3]
    np.testing.assert_allclose(middle_of(sheet, line=4, column=1), rows[2].overlays(np.array([7]))[0, 8, 8], atol=2)


def test_the_other_video_of_a_similarity_stands_below() -> None:
    other = mapped_row("", frames=9).frames + 10
    rows = [replace(mapped_row(name, frames=4), target="similarity to b.mp4", compared=other) for name in "ab"]
    sheet = ActivationSheet(columns=2, tile_pixels=TILE).draw(rows, title="")
    assert [middle_of(sheet, line=3, column=column) for column in range(2)] == [[10] * 3, [170] * 3]
    lone = ActivationSheet(columns=2, tile_pixels=TILE).draw(rows[:1], title="")
    assert lone.height == sheet.height - TILE - GAP_PIXELS


def test_a_name_in_letters_beyond_ascii_is_legible() -> None:
    pytest.importorskip("matplotlib")
    drawn = [np.asarray(font(20).getmask(letter)) for letter in "üж\u0378"]  # the last is no letter: a box
    assert all(found.shape != drawn[-1].shape or (found != drawn[-1]).any() for found in drawn[:-1])


def test_a_video_of_fewer_frames_than_columns_shows_all() -> None:
    sheet = ActivationSheet(columns=6, tile_pixels=TILE).draw([mapped_row("a", frames=2)], title="")
    assert [middle_of(sheet, line=0, column=column) for column in range(3)] == [[0] * 3, [20] * 3, [255] * 3]


def test_words_fit_beside_their_row() -> None:
    row = mapped_row("runs/with_a_name_that_is_much_longer_than_the_column", frames=2)
    assert all(len(line) <= 27 for line in row.words())
    assert "".join(row.words()).startswith("runs/with_a_name_that_is_much_longer")
    assert {"feature norm: 12.3", "maps of 4 x 4"} <= set(row.words())


@pytest.mark.parametrize(("columns", "tile_pixels"), [(0, 160), (6, 20)])
def test_figures_out_of_range_are_refused(columns: int, tile_pixels: int) -> None:
    with pytest.raises(InputError, match=r"sheet\.columns=6 sheet\.tile_pixels=160"):
        ActivationSheet(columns=columns, tile_pixels=tile_pixels)
