from __future__ import annotations

import math

import numpy as np
import pytest

from vclr_pl.report.chart import Band, Chart, Curve, Level, plot_of, shown, thinned


def chart(*values: float, **changes: object) -> Chart:
    points = list(enumerate(values, 1))
    return Chart(**({"title": "loss", "curves": [Curve(name="loss", points=points)]} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [501, 1000, 54_321])
def test_a_thinned_curve_has_few_points_its_ends_and_its_extremes(count):
    values = np.random.default_rng(0).normal(size=count)
    values[[count // 3, 2 * count // 3]] = [50.0, -50.0]
    points = [(10 * place, float(value)) for place, value in enumerate(values)]
    kept = thinned(points)
    assert len(kept) <= 500
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert {(10 * (count // 3), 50.0), (10 * (2 * count // 3), -50.0)} <= set(kept)
    assert kept == sorted(kept)
    assert set(kept) <= set(points)
    assert np.diff([step for step, _ in kept]).max() < 10 * count / 100  # none of a hundred stretches is empty


def test_a_short_curve_stays_as_it_is():
    assert thinned([(1, 2.0), (5, 3.0)]) == [(1, 2.0), (5, 3.0)]


def test_a_value_that_is_no_number_is_kept():
    points = [(step, math.nan if step == 700 else 1.0) for step in range(2000)]
    assert [step for step, value in thinned(points) if math.isnan(value)] == [700]


def test_points_stand_where_their_values_are():
    plot = plot_of(chart(0.0, 10.0, 5.0, from_zero=True))
    assert plot is not None
    assert (plot.low, plot.high) == pytest.approx((0.0, 10.6))
    assert plot.lines == [[[(0.0, 1.0), (0.5, pytest.approx(0.6 / 10.6)), (1.0, pytest.approx(5.6 / 10.6))]]]
    assert [(tick.place, tick.text) for tick in plot.steps] == [(0.0, "1"), (0.5, "2"), (1.0, "3")]
    assert [tick.text for tick in plot.values] == ["0", "5", "10"]
    assert [tick.place for tick in plot.values] == pytest.approx([1.0, 5.6 / 10.6, 0.6 / 10.6])


def test_the_axis_contains_the_expected_level():
    plot = plot_of(chart(1.0, 2.0, levels=[Level(name="random guess", value=6.0)]))
    assert plot is not None
    assert plot.low < 1.0
    assert plot.high > 6.0
    assert plot.levels == [pytest.approx((plot.high - 6.0) / (plot.high - plot.low))]


def test_a_curve_is_interrupted_where_it_is_no_number():
    plot = plot_of(chart(1.0, 2.0, math.nan, 3.0, math.inf))
    assert plot is not None
    assert [[len(stretch) for stretch in curve] for curve in plot.lines] == [[2]]
    assert [len(dots) for dots in plot.dots] == [3]  # all values, because they are few
    assert plot.broken == [0.5, 1.0]


@pytest.mark.parametrize("values", [(3.0,), (0.0,), (3.0, 3.0, 3.0), (-2.0, -2.0), (math.nan,), (1e-9, 1e-9)])
def test_one_value_and_equal_values_have_a_place_inside(values):
    plot = plot_of(chart(*values))
    assert plot is not None
    places = [place for curve in (*plot.lines, [*plot.dots]) for stretch in curve for place in stretch]
    assert all(0.0 < y < 1.0 for _, y in places)
    assert places or math.isnan(values[0])


def test_of_many_values_only_those_that_stand_alone_are_dots():
    plot = plot_of(chart(*[1.0] * 20, math.nan, 1.0, math.nan, 1.0, 1.0))
    assert plot is not None
    assert plot.dots == [[(21 / 24, pytest.approx(0.5))]]


def test_a_chart_without_values_has_no_plot():
    assert plot_of(chart()) is None


def test_alarms_stay_within_the_chart():
    plot = plot_of(chart(*range(11), alarms=[(6, 8), (10, 99)]))
    assert plot is not None
    assert plot.alarms == [pytest.approx((0.5, 0.7)), pytest.approx((0.9, 1.0))]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (9.0, "9"), (0.02, "0.02"), (13.8789, "13.88"), (123.45, "123.5"), (2e-5, "2.00e-5"), (4321.0, "4,321"), (2e7, "2.00e7")],
)
def test_numbers_are_short(value, text):
    assert shown(value) == text


def test_broken_numbers_are_words():
    assert (shown(math.nan), shown(math.inf)) == ("not a number", "infinite")


def test_a_band_is_an_outline_within_the_axes():
    band = Band(name="bounds", points=[(1, 0.0, 4.0), (3, 1.0, 9.0)])
    plot = plot_of(chart(1.0, 2.0, bands=[band]))
    assert plot is not None
    assert (plot.low, plot.high, plot.last_step) == (pytest.approx(-0.54), pytest.approx(9.54), 3)
    values = [(x, plot.high - y * (plot.high - plot.low)) for x, y in plot.bands[0]]
    assert [value for point in values for value in point] == pytest.approx([0.0, 4.0, 1.0, 9.0, 1.0, 1.0, 0.0, 0.0])
