"""Draws method.svg, the picture of the method in README.md: `python docs/images/draw_method.py`.

It is readable at the width of a phone. The picture brings its own background and follows the reader's light or dark setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

WIDTH, HEIGHT = 560, 1290
STYLE = """
  .page { fill: #ffffff; stroke: #d5dae1 }
  .panel { fill: #f5f7fa; stroke: #d5dae1 }
  .ink { fill: #1d2733 }
  .soft { fill: #5a6675 }
  .frame { fill: #e6eaf0; stroke: #aab4c0 }
  .glyph { fill: #7b8896; stroke: none }
  .hole { fill: none; stroke: #7b8896; stroke-width: 4 }
  .query { fill: #dcebfd; stroke: #1668c7; stroke-width: 2.5 }
  .query-glyph { fill: #1668c7 }
  .query-hole { fill: none; stroke: #1668c7; stroke-width: 4 }
  .key { fill: #ffe9d2; stroke: #c05f00; stroke-width: 2.5 }
  .key-glyph { fill: #c05f00 }
  .key-hole { fill: none; stroke: #c05f00; stroke-width: 4 }
  .query-ink { fill: #1258ab }
  .key-ink { fill: #a14f00 }
  .line { fill: none; stroke: #5a6675; stroke-width: 1.6 }
  .head { fill: #5a6675 }
  .pull { fill: none; stroke: #1a7f4b; stroke-width: 2.4 }
  .pull-head { fill: #1a7f4b }
  .pull-ink { fill: #14693d }
  .push { fill: none; stroke: #c22f3d; stroke-width: 2.2; stroke-dasharray: 5 4 }
  .push-ink { fill: #b32634 }
  .global { stroke: #1a7f4b; stroke-width: 2.5 }
  text { font-family: "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif; font-size: 18px }
  .title { font-weight: 600; font-size: 20px }
  .small { font-size: 16px }
  .middle { text-anchor: middle }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14191f; stroke: #38424d }
    .panel { fill: #1c232b; stroke: #3a4550 }
    .ink { fill: #e8edf2 }
    .soft { fill: #a9b4c0 }
    .frame { fill: #2a333d; stroke: #586573 }
    .glyph { fill: #8e9baa }
    .hole { stroke: #8e9baa }
    .query { fill: #16324f; stroke: #63a9f5 }
    .query-glyph { fill: #63a9f5 }
    .query-hole { stroke: #63a9f5 }
    .query-ink { fill: #86bdf8 }
    .key { fill: #47301a; stroke: #f0a04b }
    .key-glyph { fill: #f0a04b }
    .key-hole { stroke: #f0a04b }
    .key-ink { fill: #f5b671 }
    .line { stroke: #a9b4c0 }
    .head { fill: #a9b4c0 }
    .pull { stroke: #4cc38a }
    .pull-head { fill: #4cc38a }
    .pull-ink { fill: #6bd3a0 }
    .push { stroke: #f2777f }
    .push-ink { fill: #f68f96 }
    .global { stroke: #4cc38a }
  }
"""
SEGMENTS = 3
ANCHOR_AGAIN = "q1\u2032"
FRAME_WIDTH, FRAME_HEIGHT = 52, 40
QUERY_PLACES, KEY_PLACES = (1, 3, 0), (3, 0, 2)  # of five frames drawn in each segment


def frame(*, x: float, y: float, segment: int, kind: str = "", label: str = "") -> str:
    """One frame of a segment; the segment's object tells what happens in that third of the video."""
    glyph, hole = (f"{kind}-glyph", f"{kind}-hole") if kind else ("glyph", "hole")
    center_x, center_y = x + FRAME_WIDTH / 2, y + FRAME_HEIGHT / 2
    objects = (
        f'<circle class="{glyph}" cx="{center_x}" cy="{center_y}" r="10"/>',
        f'<path class="{glyph}" d="M{center_x - 12} {center_y + 10} h24 l-12 -21 z"/>',
        f'<rect class="{hole}" x="{center_x - 9}" y="{center_y - 9}" width="18" height="18"/>',
    )
    box = f'<rect class="{kind or "frame"}" x="{x}" y="{y}" width="{FRAME_WIDTH}" height="{FRAME_HEIGHT}" rx="4"/>'
    below = text(center_x, y + FRAME_HEIGHT + 17, label, f"small middle {kind}-ink") if label else ""
    return box + objects[segment] + below


def text(x: float, y: float, words: str, style: str = "ink") -> str:
    return f'<text class="{style if "ink" in style or "soft" in style else style + " ink"}" x="{x}" y="{y}">{words}</text>'


def arrow(path: str, style: str = "line", *, both: bool = False) -> str:
    marker = "pull" if style == "pull" else "plain"
    start = f' marker-start="url(#{marker})"' if both else ""
    return f'<path class="{style}" d="{path}" marker-end="url(#{marker})"{start}/>'


def queue(*, x: float, y: float) -> str:
    rows = "".join(f'<rect class="frame" x="{x}" y="{y + 10 * row}" width="64" height="6" rx="2"/>' for row in range(5))
    return rows + text(x + 32, y + 68, "queue", "small middle soft")


def scaled(*, x: float, y: float, scale: float, segment: int, kind: str) -> str:
    return f'<g transform="translate({x} {y}) scale({scale})">{frame(x=0, y=0, segment=segment, kind=kind)}</g>'


def video() -> Iterator[str]:
    yield text(20, 38, "One video, three segments", "title")
    yield text(20, 62, "of each two frames: q for the query, k for the key", "small soft")
    for segment in range(SEGMENTS):
        top = 76 + 84 * segment
        yield f'<rect class="panel" x="20" y="{top}" width="520" height="78" rx="8"/>' + text(
            34, top + 36, f"segment {segment + 1}", "small soft"
        )
        for place in range(5):
            kind = "query" if place == QUERY_PLACES[segment] else "key" if place == KEY_PLACES[segment] else ""
            label = f"q{segment + 1}" if kind == "query" else f"k{segment + 1}" if kind == "key" else ""
            yield frame(x=150 + 76 * place, y=top + 10, segment=segment, kind=kind, label=label)


def encoders() -> Iterator[str]:
    yield arrow("M246 328 V346") + text(262, 345, "cropped, colored, blurred, flipped", "small soft")
    yield from (f'<rect class="panel" x="20" y="{top}" width="520" height="112" rx="8"/>' for top in (352, 508))
    for segment in range(SEGMENTS):
        yield frame(x=34 + 62 * segment, y=378, segment=segment, kind="query", label=f"q{segment + 1}")
        yield scaled(x=34 + 46 * segment, y=518, scale=0.8, segment=segment, kind="key")
        yield scaled(x=34 + 46 * segment, y=564, scale=0.8, segment=segment, kind="query")
    yield text(174, 542, "k1 k2 k3", "small key-ink") + text(174, 588, f"{ANCHOR_AGAIN} q2 q3", "small query-ink")
    yield arrow("M226 398 H266") + arrow("M252 564 H266")
    yield '<rect class="query" x="272" y="364" width="256" height="88" rx="8"/>' + text(400, 402, "Query encoder", "title middle")
    yield text(400, 430, "learns by gradient; four heads", "small middle soft")
    yield '<rect class="key" x="272" y="520" width="256" height="88" rx="8"/>' + text(400, 556, "Momentum encoder", "title middle")
    yield text(400, 584, "follows without gradient", "small middle soft")
    yield '<path class="line" stroke-dasharray="5 4" d="M400 454 V514" marker-end="url(#plain)"/>' + text(
        412, 490, "moving average", "small soft"
    )


def card(*, y: float, title: str, lines: tuple[str, str], style: str = "panel") -> str:
    box = f'<rect class="{style}" x="20" y="{y}" width="520" height="136" rx="8"/>'
    return box + text(34, y + 30, title, "title") + text(34, y + 68, lines[0], "small soft") + text(34, y + 90, lines[1], "small soft")


def inter_frame(y: float) -> Iterator[str]:
    yield card(y=y, title="1 Inter-frame", lines=("Frames of one video", "agree, others do not."))
    yield frame(x=268, y=y + 44, segment=0, kind="query", label="q1")
    for segment in range(SEGMENTS):
        top = y + 10 + 40 * segment
        yield scaled(x=352, y=top, scale=0.8, segment=segment, kind="key") + text(
            400, top + 22, (ANCHOR_AGAIN, "q2", "q3")[segment], "small key-ink"
        )
        yield arrow(f"M326 {y + 64} L346 {top + 16}", "pull")
    yield queue(x=452, y=y + 36)


def intra_frame(y: float) -> Iterator[str]:
    yield card(y=y, title="2 Intra-frame", lines=("Nearest to a frame is", "its own second view."))
    yield frame(x=268, y=y + 44, segment=0, kind="query", label="q1")
    yield frame(x=420, y=y + 14, segment=0, kind="key") + text(482, y + 40, ANCHOR_AGAIN, "small key-ink")
    yield frame(x=420, y=y + 80, segment=1, kind="key") + text(482, y + 106, "q2", "small key-ink")
    yield arrow(f"M328 {y + 58} L412 {y + 36}", "pull") + f'<path class="push" d="M328 {y + 72} L412 {y + 100}"/>'
    yield text(352, y + 36, "near", "small pull-ink") + text(352, y + 110, "far", "small push-ink")


def segment_contrast(y: float) -> Iterator[str]:
    lines = ("The means of the two", "tuples agree.")
    yield card(y=y, title="3 Segment contrast", lines=lines, style="panel global")
    for segment in range(SEGMENTS):
        yield scaled(x=268 + 40 * segment, y=y + 20, scale=0.7, segment=segment, kind="query")
        yield scaled(x=268 + 40 * segment, y=y + 88, scale=0.7, segment=segment, kind="key")
    yield text(392, y + 40, "mean", "small query-ink") + text(392, y + 108, "mean", "small key-ink")
    yield arrow(f"M412 {y + 48} V{y + 90}", "pull", both=True) + queue(x=460, y=y + 36)


def temporal_order(y: float) -> Iterator[str]:
    yield card(y=y, title="4 Temporal order", lines=("Which tuple is shuffled:", "neither, q, k, or both?"))
    for place, segment in enumerate((1, 0, 2)):
        yield scaled(x=268 + 40 * place, y=y + 20, scale=0.7, segment=segment, kind="query")
        yield scaled(x=268 + 40 * place, y=y + 88, scale=0.7, segment=place, kind="key")
    yield text(268, y + 68, "q2, q1, q3", "small query-ink")
    yield arrow(f"M390 {y + 34} L422 {y + 60}") + arrow(f"M390 {y + 102} L422 {y + 78}")
    for choice in range(4):
        yield f'<rect class="{"query" if choice == 1 else "frame"}" x="{428 + 26 * choice}" y="{y + 56}" width="20" height="26" rx="3"/>'


def picture() -> str:
    parts = [f'<rect class="page" x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="12"/>', *video(), *encoders()]
    parts.append(arrow("M280 622 V644") + text(20, 668, "Four terms compare what the encoders give", "title"))
    for place, term in enumerate((inter_frame, intra_frame, segment_contrast, temporal_order)):
        parts += term(682 + 144 * place)
    parts.append(text(WIDTH / 2, HEIGHT - 16, "loss: the sum of the four", "title middle"))
    markers = "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        f'<path class="{style}" d="M0 0 L10 5 L0 10 z"/></marker>'
        for name, style in (("plain", "head"), ("pull", "pull-head"))
    )
    title = "<title>VCLR: two frames of each of three segments, two encoders, four terms</title>"
    body = "\n  ".join(part for part in parts if part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n  {title}\n'
        f"  <style>{STYLE}  </style>\n  <defs>{markers}</defs>\n  {body}\n</svg>\n"
    )


if __name__ == "__main__":
    Path(__file__).with_name("method.svg").write_text(picture(), encoding="utf-8")
