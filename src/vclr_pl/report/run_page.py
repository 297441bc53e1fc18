"""`run.html`: a page on one training run, for a browser, which reloads itself while the run is alive."""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import jinja2

from vclr_pl.files import write_whole
from vclr_pl.report.chart import Chart, Curve, Plot, plot_of, shown
from vclr_pl.report.retrieval_page import Figure
from vclr_pl.report.run_charts import ChartGroup
from vclr_pl.text import readable

CURVES = "curves.png"
RELOAD_SECONDS = 10.0
STALE_SECONDS = 1800.0  # without a write: the run was killed, or its evaluation takes long
BROKEN_SHOWN = 20
WIDTH, HEIGHT = 1000, 400  # of a chart's coordinates, which the browser stretches

StateWord = Literal["starting", "running", "evaluating", "ended", "stopped", "failed"]
SIGNS: dict[StateWord, str] = {"starting": "●", "running": "●", "evaluating": "●", "ended": "✓", "stopped": "■", "failed": "✗"}


@dataclass(frozen=True, kw_only=True)
class RunState:
    """How far the run is. `detail` is a sentence, `written` the seconds since 1970, `share` the finished part of the steps."""

    word: StateWord
    detail: str
    written: float
    share: float = 0.0

    @property
    def is_alive(self) -> bool:
        return self.word in ("starting", "running", "evaluating")


@dataclass(frozen=True, kw_only=True)
class ViewGroup:
    """Views that belong together: WebP pictures, each with a caption. A caption in `marked` is emphasized."""

    title: str
    pictures: Sequence[bytes]
    captions: Sequence[str]
    marked: Sequence[bool]


@dataclass(frozen=True, kw_only=True)
class VideoViews:
    """The augmented views of one video, and the answer that the network should give, in words."""

    name: str
    answer: str
    groups: Sequence[ViewGroup]


@dataclass(frozen=True, kw_only=True)
class ChangedOption:
    """An option that differs from its experiment: its value, that of the experiment (empty if unknown), and the reason."""

    key: str
    value: str
    usual: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class NextCommand:
    """A command, and what it is for."""

    purpose: str
    command: str


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """A metric in percent, before and after training, each with its interval (empty if unknown), and the difference in points.

    `chance` is what random neighbors give, empty if unknown. `is_noise`: the difference is within two standard errors.
    """

    name: str
    before: str
    before_interval: str
    after: str
    after_interval: str
    gain: str
    chance: str = ""
    is_noise: bool = False


@dataclass(frozen=True, kw_only=True)
class BrokenRow:
    """A video that could not be read, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RunDescription:
    """What does not change during a run: its experiment, folder, command line, changed options and the commands that follow."""

    title: str
    folder: str
    command: str = ""
    options: Sequence[ChangedOption] = ()
    commands: Sequence[NextCommand] = ()


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """Content of the page: `alarms` are sentences, `verdict` is a word and its reason, `advice` a command that settles it."""

    description: RunDescription
    state: RunState
    figures: Sequence[Figure] = ()
    figures_note: str = ""
    alarms: Sequence[str] = ()
    verdict: tuple[str, str] | None = None
    advice: str = ""
    results: Sequence[ResultRow] = ()
    results_note: str = ""
    groups: Sequence[ChartGroup] = ()
    views: Sequence[VideoViews] = ()
    views_note: str = ""
    broken: Sequence[BrokenRow] = ()
    broken_count: int = 0
    cost: str = ""
    reload_seconds: float = field(default=RELOAD_SECONDS)


def write_run_page(page: RunPage, path: Path) -> None:
    """Write the page atomically: a browser reads the earlier one or this one."""
    write_whole(path, render_run(page))


def render_run(page: RunPage) -> str:
    """The page's HTML. Names and messages are shown as text."""
    charts = [{"title": group.title, "hint": group.hint, "charts": [drawn_chart(chart) for chart in group.charts]} for group in page.groups]
    html = _template().render(
        page=page,
        state=page.state,
        about=page.description,
        sign=SIGNS[page.state.word],
        groups=charts,
        numbers=[row for group in page.groups for chart in group.charts for row in numbers_of(group, chart)],
        views=[_embedded(views) for views in page.views],
        broken=page.broken[:BROKEN_SHOWN],
        has_chance=any(row.chance for row in page.results),
        stale_seconds=STALE_SECONDS,
        style=_text("page.css") + _text("run.css"),
        script=_text("run.js"),
    )
    return readable(html)


def drawn_chart(chart: Chart) -> dict[str, Any]:
    """A chart for the template: SVG polylines, ticks in percent, and its description in words."""
    plot = plot_of(chart)
    if plot is None:
        return {"title": chart.title, "unit": chart.unit, "plot": None, "text": "no values yet", "now": "", "note": ""}
    last = next((value for _, value in reversed(chart.curves[0].points)), None)
    return {
        "title": chart.title,
        "unit": chart.unit,
        "plot": plot,
        "curves": [_drawn_curve(curve, plot, number) for number, curve in enumerate(chart.curves)],
        "levels": [(level, HEIGHT * place) for level, place in zip(chart.levels, plot.levels, strict=True)],
        "bands": [(band, _polyline(outline)) for band, outline in zip(chart.bands, plot.bands, strict=True)],
        "alarms": [(WIDTH * start, max(WIDTH * (end - start), 6.0)) for start, end in plot.alarms],
        "broken": [WIDTH * place for place in plot.broken],
        "text": _in_words(chart),
        "now": chart.summary or ("" if last is None else f"last {shown(last)}{chart.unit}"),
        "note": chart.note,
    }


def _drawn_curve(curve: Curve, plot: Plot, number: int) -> dict[str, Any]:
    lines = [_polyline(stretch) for stretch in plot.lines[number]]
    return {"name": curve.name, "number": number, "lines": lines, "dots": plot.dots[number], "is_context": curve.is_context}


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{WIDTH * x:.0f},{HEIGHT * y:.1f}" for x, y in points)


def _in_words(chart: Chart) -> str:
    """The text of a chart for those who do not see it."""
    parts = []
    for curve in chart.curves:
        first, last = curve.points[0], curve.points[-1]
        name = f"{curve.name}: " if curve.name else ""
        parts.append(f"{name}{shown(first[1])}{chart.unit} at step {first[0]:,}, {shown(last[1])}{chart.unit} at step {last[0]:,}")
    parts += [level.name for level in chart.levels]
    parts += [band.name for band in chart.bands]
    parts += [chart.summary] if chart.summary else []
    parts += [f"now {chart.note}"] if chart.note else []
    parts += [f"alarm from step {start:,} to {end:,}" for start, end in chart.alarms]
    return f"{chart.title}. {'; '.join(parts)}."


def numbers_of(group: ChartGroup, chart: Chart) -> list[dict[str, Any]]:
    """A row of the table of curves for each curve."""
    rows = []
    for curve in chart.curves:
        values = [value for _, value in curve.points]
        finite = [value for value in values if value == value and abs(value) != float("inf")]
        ends = [values[0], min(finite, default=float("nan")), max(finite, default=float("nan")), values[-1]] if values else []
        name = chart.title if len(chart.curves) == 1 else f"{chart.title}, {curve.name}"
        rows.append({"group": group.title, "name": name, "values": [f"{shown(value)}{chart.unit}" for value in ends]})
    return rows


def _embedded(views: VideoViews) -> dict[str, Any]:
    groups = [
        {
            "title": group.title,
            "tiles": [
                {"source": base64.b64encode(picture).decode("ascii"), "caption": caption, "marked": marked}
                for picture, caption, marked in zip(group.pictures, group.captions, group.marked, strict=True)
            ],
        }
        for group in views.groups
    ]
    return {"name": views.name, "answer": views.answer, "groups": groups}


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("run.html.jinja"))


@functools.cache
def _text(name: str) -> str:
    return resources.files("vclr_pl.report").joinpath("page", name).read_text(encoding="utf-8")
