"""Encoders compared, as a self-contained HTML page: charts of intervals, the table, all metrics, and the encoders."""

from __future__ import annotations

import math
from importlib import resources
from typing import Any

import jinja2

from vclr_pl.report.compared_encoders import EncoderComparison, millions, points, speed
from vclr_pl.report.record import ResultRecord
from vclr_pl.report.tables import interval, metric_title

STEP = 10  # percent; the axis of a chart begins and ends at a multiple


def encoders_html(found: EncoderComparison) -> str:
    """The page; names are escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("encoders.html.jinja")).render(
        first=found.encoders[0].name,
        level=f"{found.level_percent:g}%",
        queries=f"{found.queries:,}",
        gallery=f"{found.gallery:,}",
        leave_one_out=found.leave_one_out,
        titles=[metric_title(name) for name in found.headlines],
        rows=[_row(found, place) for place in range(len(found.encoders))],
        charts=[_chart(found, name) for name in found.over_queries],
        skipped=", ".join(found.encoders[0].skipped),
        names=[record.name for record in found.encoders],
        all_metrics=[
            {"title": metric_title(name), "cells": [_cell(found, place, name) for place in range(len(found.encoders))]}
            for name in found.metrics
        ],
        style=_text("page.css") + _text("run.css") + _text("comparison.css") + _text("encoders.css"),
    )


def _row(found: EncoderComparison, place: int) -> dict[str, Any]:
    record = found.encoders[place]
    facts = record.encoder
    return {
        "name": record.name,
        "cells": [_cell(found, place, name) for name in found.headlines],
        "parameters": millions(facts["parameters"]),
        "width": f"{facts['feature_dim']:,}",
        "speed": speed(record),
        "path": facts["path"],
        "origin": facts["origin"],
        "view": facts["view"],
        "pooling": "mean" if facts["pooling_segments"] == 1 else f"{facts['pooling_segments']} segments",
    }


def _cell(found: EncoderComparison, place: int, name: str) -> dict[str, Any]:
    record, difference = found.encoders[place], found.differences[place].get(name)
    if name not in record.metrics:
        return {"value": "-", "interval": "", "difference": "", "sign": ""}
    sign = "" if difference is None or not difference.is_clear else "above" if difference.points > 0 else "below"
    shown = "" if difference is None else points(difference)
    return {"value": f"{record.metrics[name]:.1f}", "interval": interval(record.intervals.get(name)), "difference": shown, "sign": sign}


def _chart(found: EncoderComparison, name: str) -> dict[str, Any]:
    """Bars and dots of one metric, in percent of the width of the axis."""
    measured = [record for record in found.encoders if name in record.metrics]
    reach = [end for record in measured for end in (*record.intervals.get(name, ()), record.metrics[name])]
    chance = next((record.chance[name] for record in measured if name in record.chance), None)
    low, high = STEP * math.floor(min(reach) / STEP), STEP * math.ceil(max(reach) / STEP)
    high = max(high, low + STEP)

    def place(value: float) -> float:
        return float(round(100 * (value - low) / (high - low), 2))

    def bar(record: ResultRecord) -> dict[str, Any]:
        ends = record.intervals.get(name, [record.metrics[name]] * 2)
        return {
            "name": record.name,
            "left": place(ends[0]),
            "width": round(place(ends[1]) - place(ends[0]), 2),
            "dot": place(record.metrics[name]),
            "value": f"{record.metrics[name]:.1f}",
            "interval": interval(ends),
        }

    within = chance is not None and low <= chance <= high
    return {
        "title": metric_title(name),
        "low": low,
        "high": high,
        "bars": [bar(record) for record in measured],
        "chance": place(chance) if within and chance is not None else None,
        "chance_text": "" if chance is None else f"{chance:.1f}",
    }


def _text(name: str) -> str:
    return resources.files("vclr_pl.report").joinpath("page", name).read_text(encoding="utf-8")
