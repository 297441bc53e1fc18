from __future__ import annotations

import numpy as np
import pytest

from vclr_pl.report.color_scale import LUMA, colors, overlaid, scale_bar


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
