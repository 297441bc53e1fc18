"""The comparison of runs as a self-contained HTML page: the table, and the curves over one another."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2

from vclr_pl.report.chart import shown
from vclr_pl.report.compared_curves import compared_charts, golden_comparisons
from vclr_pl.report.compared_runs import ComparedRun
from vclr_pl.report.comparison import comparison, run_labels
from vclr_pl.report.golden import precise
from vclr_pl.report.run_page import drawn_chart, numbers_of


def comparison_html(runs: Sequence[ComparedRun]) -> str:
    """The page; names from the disk are escaped."""
    names = run_labels(runs)
    groups = compared_charts(runs)
    place_of = {name: place for place, name in enumerate(names)}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("comparison.html.jinja")).render(
        table=comparison(runs),
        runs=names if groups else [],
        groups=[
            {"title": group.title, "hint": group.hint, "charts": [_drawn(chart, place_of) for chart in group.charts]} for group in groups
        ],
        against=golden_comparisons(runs),
        shown=shown,
        precise=precise,
        numbers=[row for group in groups for chart in group.charts for row in numbers_of(group, chart)],
        style=_text("page.css") + _text("run.css") + _text("comparison.css"),
        script=_text("comparison.js"),
    )


def _drawn(chart: Any, place_of: dict[str, int]) -> dict[str, Any]:
    """A chart for the template, its curves with the place of their run, which decides color and dashes."""
    drawn = drawn_chart(chart)
    return {**drawn, "curves": [{**curve, "number": place_of[curve["name"]]} for curve in drawn.get("curves", [])]}


def _text(name: str) -> str:
    return resources.files("vclr_pl.report").joinpath("page", name).read_text(encoding="utf-8")
