"""The six shapes at points whose side can be told by eye."""

from __future__ import annotations

import numpy as np
import pytest

from vclr_pl.datasets.demo.kinds import KINDS

# (u, v) in radii: inside and outside points of each kind
POINTS = {
    "Disc": ([(0, 0), (0.95, 0), (-0.6, 0.6)], [(1.05, 0), (0.8, 0.8)]),
    "Plus": ([(0, 0), (0.9, 0.2), (0.2, -0.9)], [(0.5, 0.5), (1.05, 0), (0.4, 0.9)]),
    "Ring": ([(0.8, 0), (0, -0.7), (0.95, 0)], [(0, 0), (0.5, 0), (1.05, 0)]),
    "Triangle": ([(0, 0), (0, 1.1), (0.9, -0.5)], [(0, 1.25), (0.9, 0.5), (0, -0.7)]),
    "Bars": ([(0, 0), (0.9, 0.75), (-0.9, -0.8)], [(0, 0.4), (0, 1.0), (1.05, 0)]),
    "Square": ([(0.75, 0), (0.85, 0.85), (-0.6, 0.2)], [(0, 0), (0.5, 0.5), (0.95, 0)]),
}


def test_the_six_kinds_have_names_of_their_own() -> None:
    assert [name for name, _ in KINDS] == list(POINTS)


@pytest.mark.parametrize(("name", "signed_distance"), KINDS, ids=[name for name, _ in KINDS])
def test_sign_is_negative_inside_and_positive_outside(name: str, signed_distance) -> None:
    radius_pixels = 7.0
    for points, sign in zip(POINTS[name], (-1, 1), strict=True):
        u, v = (radius_pixels * np.array(points, dtype=np.float32)).T
        assert np.sign(signed_distance(u, v, radius_pixels)).tolist() == [sign] * len(points)


@pytest.mark.parametrize("signed_distance", [shape for _, shape in KINDS], ids=[name for name, _ in KINDS])
def test_distance_stays_single_precision_and_grows_at_most_a_pixel_a_pixel(signed_distance) -> None:
    row = np.linspace(-12, 12, 241, dtype=np.float32)
    v, u = np.meshgrid(row, row, indexing="ij")
    distance = signed_distance(u, v, 6.0)
    assert distance.dtype == np.float32
    assert np.abs(np.diff(distance, axis=1)).max() <= 0.1 + 1e-4
