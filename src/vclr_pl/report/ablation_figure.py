"""The figure of an ablation, as SVG: paired differences of the methods by task, as dots with intervals on an axis for each metric.

The picture brings its own background, follows the reader's light or dark setting, and is readable at the width of a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from vclr_pl.report.ablation import Ablation, AblationCell, Estimate
from vclr_pl.report.chart import round_values, shown
from vclr_pl.report.tables import metric_title

WIDTH, LEFT, RIGHT = 460, 166, 62  # pixels: the picture, the names of the methods, the numbers
EDGE, LINE, MARK = 14, 20, 5  # around the picture, between lines, half a mark
TICKS = 6  # about as many as have room
TITLE_LETTERS, NAME_LETTERS, NOTE_LETTERS, AXIS_LETTERS = 48, 20, 68, 23  # that fit
STYLE = """
.page{fill:#fff}.grid{stroke:#d9dde3}.zero{stroke:#59616b;stroke-dasharray:4 3}.rule{stroke:#d9dde3}
text{fill:#16191d;font:14px "Segoe UI","Helvetica Neue",Arial,"Liberation Sans",sans-serif}
.title{font-weight:650;font-size:15px}.soft{fill:#59616b;font-size:12.5px}.end{text-anchor:end}.middle{text-anchor:middle}
.clear{font-weight:650}.bar{stroke:#8b95a1;stroke-width:3}.mark{fill:#8b95a1;stroke:#8b95a1;stroke-width:2}
.up .bar{stroke:#0a6b4b}.up .mark{fill:#0a6b4b;stroke:#0a6b4b}.down .bar{stroke:#b4390f}.down .mark{fill:#b4390f;stroke:#b4390f}
.m1,.up .m1,.down .m1{fill:#fff}
@media (prefers-color-scheme:dark){.page{fill:#161b22}.grid,.rule{stroke:#38424d}.zero{stroke:#a3adb9}text{fill:#e9ecf0}.soft{fill:#a3adb9}
.bar{stroke:#7b8694}.mark{fill:#7b8694;stroke:#7b8694}.up .bar{stroke:#5ed09a}.up .mark{fill:#5ed09a;stroke:#5ed09a}
.down .bar{stroke:#ff9d7d}.down .mark{fill:#ff9d7d;stroke:#ff9d7d}.m1,.up .m1,.down .m1{fill:#161b22}}
"""


@dataclass(frozen=True)
class _Panel:
    task: str
    metric: str


def ablation_svg(found: Ablation) -> str:
    """One panel a task, one below the other; a task's metric is the first of `found.metrics` that it has.

    The panels of one metric have a common axis in points: differences of AUC are smaller than those of R@1, and would have no length on it.
    Green and orange marks have an interval without 0, gray ones contain it. Of two poolings the second has hollow marks.
    """
    panels = _panels(found)
    of_metric = {panel.metric: [other for other in panels if other.metric == panel.metric] for panel in panels}
    axes = {metric: _Axis(_reach(found, own)) for metric, own in of_metric.items()}
    lines: list[str] = []
    y = EDGE
    for text, style in [(f"Difference from {found.reference}, in points", "title"), *((note, "soft") for note in _notes(found))]:
        y += LINE
        lines.append(_text(EDGE, y - 4, text, style, letters=NOTE_LETTERS if style == "soft" else TITLE_LETTERS))
    y += 8
    for panel in panels:
        drawn, y = _panel(found, panel, axes[panel.metric], y)
        lines += drawn
    return "\n".join([*_head(found, y), *lines, "</svg>"]) + "\n"


def figure_in_words(found: Ablation) -> str:
    """The text of the figure for those who do not see it."""
    parts = []
    for panel in _panels(found):
        texts = []
        for method, pooling, cell in _rows(found, panel):
            of = None if cell is None else cell.differences.get(panel.metric)
            named = f"{method} {pooling}".strip()
            texts.append(f"{named} {'no result' if of is None else _in_words(of)}")
        parts.append(f"{panel.task}, {metric_title(panel.metric)}: {', '.join(texts)}")
    return f"Differences from {found.reference} in points. {'; '.join(parts)}."


def _in_words(of: Estimate) -> str:
    ends = "" if of.low is None or of.high is None else f" ({of.low:z.1f} to {of.high:z.1f})"
    return f"{of.value:+z.1f}{ends}"


def _panels(found: Ablation) -> list[_Panel]:
    panels = []
    for task in found.tasks:
        own = {name for cell in found.cells if cell.task == task for name in cell.means}
        panels += [_Panel(task, metric) for metric in [name for name in found.metrics if name in own][:1]]
    return panels


def _rows(found: Ablation, panel: _Panel) -> Iterator[tuple[str, str, AblationCell | None]]:
    """Method, pooling and cell of each line; methods without any result on the task have one line."""
    for method in found.methods[1:]:
        cells = [(pooling, found.of(panel.task, method, pooling)) for pooling in found.poolings]
        known: list[tuple[str, AblationCell | None]] = [(pooling, cell) for pooling, cell in cells if cell is not None]
        yield from ((method, pooling if len(found.poolings) > 1 else "", cell) for pooling, cell in known or [("", None)])


def _reach(found: Ablation, panels: Sequence[_Panel]) -> list[float]:
    differences = [cell.differences.get(panel.metric) for panel in panels for _, _, cell in _rows(found, panel) if cell is not None]
    return [end for of in differences if of is not None for end in (of.value, of.low, of.high) if end is not None]


class _Axis:
    """Points to pixels."""

    def __init__(self, reach: Sequence[float]) -> None:
        low, high = min([0.0, *reach]), max([0.0, *reach])
        margin = 0.04 * (high - low) or 1.0
        self.low, self.high = low - margin, high + margin
        self.ticks = [0.0 if abs(value) < 1e-9 else value for value in round_values(self.low, self.high, ticks=TICKS)]

    def x(self, points: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (points - self.low) / (self.high - self.low)

    def tick(self, value: float, *, top: int, bottom: int) -> list[str]:
        x, style = self.x(value), "zero" if value == 0 else "grid"
        number = f"+{shown(value)}" if value > 0 else shown(value)
        return [f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>', _text(x, bottom + 15, number, "soft middle")]


def _panel(found: Ablation, panel: _Panel, axis: _Axis, y: int) -> tuple[list[str], int]:
    """The lines of a panel that begins at `y`, and where the next one begins."""
    lines = [f'<line class="rule" x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y}" y2="{y}"/>']
    title = f"{panel.task}: {metric_title(panel.metric)}"
    lines.append(_text(EDGE, y + 20, title, "title", letters=TITLE_LETTERS))
    lines.append(_text(EDGE, y + 38, _values(found, panel), "soft", letters=NOTE_LETTERS))
    y, last, named = y + 44, "", _named_poolings(found)
    bottom = y + LINE * sum(1 for _ in _rows(found, panel))
    lines += [line for value in axis.ticks for line in axis.tick(value, top=y, bottom=bottom)]
    lines.append(_text(EDGE, bottom + 15, f"points of {metric_title(panel.metric)}", "soft", letters=AXIS_LETTERS))
    for method, pooling, cell in _rows(found, panel):
        of = None if cell is None else cell.differences.get(panel.metric)
        if method != last:
            lines.append(_text(EDGE, y + 15, method, letters=NAME_LETTERS))
        mark = named.index(pooling) if pooling in named else 0
        lines += [_text(WIDTH - EDGE, y + 15, "-", "end soft")] if of is None else _drawn(of, axis, y + 10, mark=mark)
        y, last = y + LINE, method
    return lines, bottom + 26


def _values(found: Ablation, panel: _Panel) -> str:
    """`VCLR 88.7, chance 10.0`."""
    texts = []
    for pooling in found.poolings:
        cell = found.of(panel.task, found.reference, pooling)
        if cell is not None and panel.metric in cell.means:
            texts.append(f"{cell.means[panel.metric].value:.1f}" + (f" ({pooling})" if pooling and len(found.poolings) > 1 else ""))
    chance = next(
        (
            f", {cell.chance_name} {cell.chance[panel.metric]:.1f}"
            for cell in found.cells
            if cell.task == panel.task and panel.metric in cell.chance
        ),
        "",
    )
    return f"{found.reference} {', '.join(texts) or 'has no result'}{chance}"


def _drawn(of: Estimate, axis: _Axis, y: int, *, mark: int) -> list[str]:
    style = "" if not of.is_clear else "up" if of.value > 0 else "down"
    x, number = axis.x(of.value), f"{of.value:+z.1f}"
    bar = (
        []
        if of.low is None or of.high is None
        else [f'<line class="bar" x1="{axis.x(of.low):.1f}" x2="{axis.x(of.high):.1f}" y1="{y}" y2="{y}"/>']
    )
    shape = f'<circle class="mark m{mark}" cx="{x:.1f}" cy="{y}" r="{MARK}"/>'
    value = _text(WIDTH - EDGE, y + 5, number, "end clear" if of.is_clear else "end")
    return [f'<g class="{style}"><title>{escape(_in_words(of))}</title>', *bar, shape, "</g>", value]


def _notes(found: Ablation) -> list[str]:
    over = "videos, of one seed" if found.most_seeds == 1 else f"{found.most_seeds} seeds and their videos"
    notes = [f"Bars: {found.level_percent:g}% interval over {over}.", "Green: better, orange: worse, gray: the interval contains 0."]
    if len({panel.metric for panel in _panels(found)}) > 1:
        notes.append("Each measure has an axis of its own.")
    named = _named_poolings(found)
    if len(named) > 1:
        notes.append(
            "Marks: " + ", ".join(f"{'hollow' if place else 'filled'} for {pooling}" for place, pooling in enumerate(named[:2])) + "."
        )
    return notes


def _named_poolings(found: Ablation) -> list[str]:
    """Localization has none."""
    return [pooling for pooling in found.poolings if pooling]


def _text(x: float, y: float, text: str, style: str = "", *, letters: int | None = None) -> str:
    """A text, shortened to `letters` if it is longer; the whole text is shown on hovering."""
    if letters is not None and len(text) > letters:
        return f'<text class="{style}" x="{x:g}" y="{y:g}"><title>{escape(text)}</title>{escape(text[: letters - 1])}…</text>'
    return f'<text class="{style}" x="{x:.1f}" y="{y:g}">{escape(text)}</text>'


def _head(found: Ablation, height: int) -> Iterator[str]:
    words = escape(figure_in_words(found))
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    yield f"<title>Differences from {escape(found.reference)}</title><desc>{words}</desc>"
    yield f'<style>{STYLE}</style><rect class="page" width="{WIDTH}" height="{height}" rx="8"/>'
