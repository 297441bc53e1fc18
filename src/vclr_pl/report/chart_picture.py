"""Charts as one PNG, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vclr_pl.files import whole_file
from vclr_pl.report.chart import Chart, Plot, plot_of
from vclr_pl.report.run_charts import ChartGroup

COLUMNS, WIDTH, HEIGHT = 2, 720, 320  # pixels of a chart
LEFT, RIGHT, TOP, BOTTOM = 74, 20, 66, 34  # around its axes
INK, SOFT, LINE, ALARM, GROUND = "#16191d", "#59616b", "#d9dde3", "#f7d9cc", "white"
COLORS = ("#1f5fbf", "#b4540a", "#0a6b4b", "#7a3fb0", "#8a6d00", "#b02a5b")  # as --curve-N of run.css
SCALE = 2  # drawn larger, then reduced: Pillow's lines have no smooth edges


def write_chart_picture(path: Path, groups: Sequence[ChartGroup]) -> None:
    """Write a PNG of all charts that have values; nothing if none has."""
    titled = [(f"{group.title}: {chart.title}", chart) for group in groups for chart in group.charts]
    plotted = [(title, chart, plot) for title, chart in titled if (plot := plot_of(chart)) is not None]
    if not plotted:
        return
    rows = -(-len(plotted) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * WIDTH * SCALE, rows * HEIGHT * SCALE), GROUND)
    for place, (title, chart, plot) in enumerate(plotted):
        column, row = place % COLUMNS, place // COLUMNS
        left, top = column * WIDTH, row * HEIGHT
        _draw(ImageDraw.Draw(sheet), chart, plot, left=left, top=top)
        _legend(ImageDraw.Draw(sheet), title, chart, x=(left + LEFT) * SCALE, y=(top + 16) * SCALE)
    with whole_file(path) as draft:
        sheet.reduce(SCALE).save(draft, "PNG")


def _draw(draw: ImageDraw.ImageDraw, chart: Chart, plot: Plot, *, left: int, top: int) -> None:
    def at(place: tuple[float, float]) -> tuple[float, float]:
        x = left + LEFT + place[0] * (WIDTH - LEFT - RIGHT)
        y = top + TOP + place[1] * (HEIGHT - TOP - BOTTOM)
        return x * SCALE, y * SCALE

    for start, end in plot.alarms:
        draw.rectangle((*at((start, 0)), at((end, 1))[0] + 2 * SCALE, at((end, 1))[1]), fill=ALARM)
    for tick in plot.values:
        draw.line([at((0, tick.place)), at((1, tick.place))], fill=LINE, width=SCALE)
        draw.text(
            (at((0, tick.place))[0] - 8 * SCALE, at((0, tick.place))[1]),
            f"{tick.text}%" if chart.unit == "%" else tick.text,
            fill=SOFT,
            font=_font(13),
            anchor="rm",
        )
    for tick in plot.steps:
        anchor = "lt" if tick.place < 0.1 else "rt" if tick.place > 0.9 else "mt"
        text = f"step {tick.text}" if tick is plot.steps[0] else tick.text
        draw.text(
            (at((tick.place, 1))[0], at((0, 1))[1] + 8 * SCALE),
            text,
            fill=SOFT,
            font=_font(13),
            anchor=anchor,
        )
    for level in plot.levels:
        _dashed(draw, at((0, level)), at((1, level)))
    for across in plot.broken:
        draw.line([at((across, 0)), at((across, 1))], fill="#9c2f12", width=SCALE)
    for number, curve in enumerate(chart.curves):
        color, width = COLORS[number % len(COLORS)], (1 if curve.is_context else 2) * SCALE
        for stretch in plot.lines[number]:
            draw.line([at(place) for place in stretch], fill=color, width=width, joint="curve")
        for place in plot.dots[number]:
            x, y = at(place)
            draw.ellipse((x - 4 * SCALE, y - 4 * SCALE, x + 4 * SCALE, y + 4 * SCALE), fill=color)


def _legend(draw: ImageDraw.ImageDraw, title: str, chart: Chart, *, x: float, y: float) -> None:
    draw.text((x, y), title + (f" ({chart.unit})" if chart.unit else ""), fill=INK, font=_font(17), anchor="lt")
    y += 26 * SCALE
    entries: list[tuple[str, str]] = [(curve.name, COLORS[number % len(COLORS)]) for number, curve in enumerate(chart.curves)]
    entries += [(f"- - {level.name}", SOFT) for level in chart.levels]
    for text, color in entries if len(entries) > 1 or chart.levels else []:
        draw.text((x, y), text, fill=color, font=_font(13), anchor="lt")
        x += draw.textlength(text, font=_font(13)) + 16 * SCALE


def _dashed(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float]) -> None:
    x, dash = start[0], 7 * SCALE
    while x < end[0]:
        draw.line([(x, start[1]), (min(x + dash, end[0]), start[1])], fill=SOFT, width=SCALE)
        x += 2 * dash


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * SCALE)
