"""A chart of a run: curves over steps, expected levels, alarms; its geometry, which the page and the picture share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

POINTS = 500  # of a curve at most: as many as a wide chart has room for
TICKS = 4
FEW = 12  # points of a curve, which are drawn as dots too
HEADROOM = 0.06  # of the range of values, above and below
Point = tuple[int, float]  # step and value; the value may be NaN or infinite


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Values over steps, in the order of the steps. `is_context` draws it thin."""

    name: str
    points: Sequence[Point]
    is_context: bool = False


@dataclass(frozen=True, kw_only=True)
class Level:
    """A value to compare the curves with, drawn as a dashed line."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Band:
    """A range of values over steps, as (step, low, high), drawn as an area."""

    name: str
    points: Sequence[tuple[int, float, float]]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves on common axes.

    Args:
        title: what is drawn.
        unit: of the values, after each number; empty for none.
        alarms: first and last step of each stretch with an alarm.
        from_zero: the axis of values begins at 0.
        summary: a figure of the newest values, in words; empty for the last value of the first curve.
        note: what is wrong with the newest values, in words.
    """

    title: str
    curves: Sequence[Curve]
    unit: str = ""
    levels: Sequence[Level] = ()
    bands: Sequence[Band] = ()
    alarms: Sequence[tuple[int, int]] = ()
    from_zero: bool = False
    summary: str = ""
    note: str = ""


@dataclass(frozen=True)
class Tick:
    """A place on an axis, 0 to 1, and its number."""

    place: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A chart in coordinates from 0 to 1, from the left and from the top.

    `lines` has the stretches of each curve between values that are not finite, `dots` the values that stand alone or of which there
    are few, `broken` the places of values that are not finite. `bands` are outlines: along the high ends, and back along the low ones.
    """

    first_step: int
    last_step: int
    low: float
    high: float
    lines: list[list[list[tuple[float, float]]]]
    dots: list[list[tuple[float, float]]]
    broken: list[float]
    levels: list[float]
    bands: list[list[tuple[float, float]]]
    alarms: list[tuple[float, float]]
    steps: list[Tick] = field(default_factory=list)
    values: list[Tick] = field(default_factory=list)


def thinned(points: Sequence[Point], *, limit: int = POINTS) -> list[Point]:
    """At most `limit` points: the first, the last, and of each of equal stretches of steps the lowest, the highest and a broken value."""
    if len(points) <= limit:
        return list(points)
    first, last = points[0], points[-1]
    stretches = (limit - 2) // 3
    width = (last[0] - first[0] + 1) / stretches
    kept: list[Point] = []
    inner = list(points[1:-1])
    start = 0
    for stretch in range(stretches):
        end = start
        while end < len(inner) and (stretch + 1 == stretches or inner[end][0] < first[0] + (stretch + 1) * width):
            end += 1
        kept += _extremes(inner[start:end])
        start = end
    return [first, *kept, last]


def _extremes(points: Sequence[Point]) -> list[Point]:
    finite = [point for point in points if math.isfinite(point[1])]
    chosen = [min(finite, key=lambda point: point[1]), max(finite, key=lambda point: point[1])] if finite else []
    chosen += [point for point in points if not math.isfinite(point[1])][:1]
    return sorted(set(chosen), key=lambda point: point[0])


def plot_of(chart: Chart) -> Plot | None:
    """The chart's geometry; None for a chart without a value."""
    curves = [thinned(curve.points) for curve in chart.curves]
    steps = [step for points in curves for step, _ in points] + [step for band in chart.bands for step, *_ in band.points]
    if not steps:
        return None
    first, last = min(steps), max(steps)
    low, high = _range(chart, [value for points in curves for _, value in points if math.isfinite(value)])

    def across(step: int) -> float:
        return 0.5 if last == first else (step - first) / (last - first)

    def down(value: float) -> float:
        return 1.0 - (value - low) / (high - low)

    stretches = [_stretches(points) for points in curves]
    lines = [[[(across(step), down(value)) for step, value in stretch] for stretch in parts if len(stretch) > 1] for parts in stretches]
    dotted = [[stretch for stretch in parts if len(stretch) == 1 or sum(map(len, parts)) <= FEW] for parts in stretches]
    dots = [[(across(step), down(value)) for stretch in parts for step, value in stretch] for parts in dotted]
    return Plot(
        first_step=first,
        last_step=last,
        low=low,
        high=high,
        lines=lines,
        dots=dots,
        broken=sorted({across(step) for points in curves for step, value in points if not math.isfinite(value)}),
        levels=[down(level.value) for level in chart.levels],
        bands=[
            [(across(step), down(high)) for step, _, high in band.points]
            + [(across(step), down(low)) for step, low, _ in band.points[::-1]]
            for band in chart.bands
        ],
        alarms=[(across(max(first, start)), across(min(last, end))) for start, end in chart.alarms],
        steps=[Tick(across(step), f"{step:,}") for step in sorted({first, (first + last) // 2, last})],
        values=[Tick(down(value), shown(value)) for value in round_values(low, high)],
    )


def _stretches(points: Sequence[Point]) -> list[list[Point]]:
    """The points between values that are not finite."""
    parts: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _range(chart: Chart, values: Sequence[float]) -> tuple[float, float]:
    reaches = [end for band in chart.bands for _, *ends in band.points for end in ends]
    shown_values = [*values, *reaches, *(level.value for level in chart.levels if math.isfinite(level.value))] or [0.0]
    low, high = min(shown_values), max(shown_values)
    if chart.from_zero:
        low = min(0.0, low)
    margin = HEADROOM * (high - low) or max(0.5 * abs(high), 1e-9)
    return (low if chart.from_zero and low == 0.0 else low - margin), high + margin


def round_values(low: float, high: float, *, ticks: int = TICKS) -> list[float]:
    """About `ticks` round numbers within a range."""
    rough = (high - low) / ticks
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * 0.999)
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def shown(value: float) -> str:
    """A number with three or four digits."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    size = abs(value)
    if size != 0.0 and (size < 1e-3 or size >= 1e6):
        return f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e")
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3 if size >= 0.1 else 4
    text = f"{value:,.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
