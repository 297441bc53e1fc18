from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from vclr_pl.report.chart import Chart, Curve
from vclr_pl.report.chart_picture import BOTTOM, COLORS, HEIGHT, LEFT, RIGHT, TOP, WIDTH, write_chart_picture
from vclr_pl.report.run_charts import ChartGroup


def group(*charts: Chart) -> ChartGroup:
    return ChartGroup(title="Losses", hint="", charts=charts)


def chart(*values: float) -> Chart:
    return Chart(title="loss", curves=[Curve(name="", points=list(enumerate(values)))])


def test_each_chart_has_its_place_and_its_curve(tmp_path):
    path = tmp_path / "run" / "curves.png"
    write_chart_picture(path, [group(chart(1.0, 1.0), chart(0.0, 1.0), chart(2.0, 2.0, math.nan))])
    with Image.open(path) as picture:
        pixels = np.asarray(picture).astype(int)
    assert pixels.shape == (2 * HEIGHT, 2 * WIDTH, 3)
    blue = np.array([int(COLORS[0][place : place + 2], 16) for place in (1, 3, 5)])
    drawn = np.abs(pixels - blue).sum(-1) < 60
    middle = TOP + (HEIGHT - TOP - BOTTOM) / 2
    rows, columns = np.nonzero(drawn[:HEIGHT, :WIDTH])
    assert np.abs(rows - middle).max() < 6  # equal values are in the middle, with dots
    assert (columns.min(), columns.max() + 1) == pytest.approx((LEFT, WIDTH - RIGHT), abs=5)
    rising = np.nonzero(drawn[:HEIGHT, WIDTH:])
    assert np.corrcoef(rising)[0, 1] < -0.99
    assert not drawn[HEIGHT:, WIDTH:].any()


def test_without_values_there_is_no_picture(tmp_path):
    write_chart_picture(tmp_path / "curves.png", [group(chart())])
    assert list(tmp_path.iterdir()) == []
