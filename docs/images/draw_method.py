"""Draws method.svg, the picture of the method in README.md: `python docs/images/draw_method.py`.

The picture brings its own background and follows the reader's light or dark setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

WIDTH, HEIGHT = 1120, 700
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
  text { font-family: "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif; font-size: 14px }
  .title { font-weight: 600; font-size: 16px }
  .small { font-size: 12.5px }
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
    below = text(center_x, y + FRAME_HEIGHT + 15, label, f"small middle {kind}-ink") if label else ""
    return box + objects[segment] + below


def text(x: float, y: float, words: str, style: str = "ink") -> str:
    return f'<text class="{style if "ink" in style or "soft" in style else style + " ink"}" x="{x}" y="{y}">{words}</text>'


def arrow(path: str, style: str = "line", *, both: bool = False) -> str:
    marker = "pull" if style == "pull" else "plain"
    start = f' marker-start="url(#{marker})"' if both else ""
    return f'<path class="{style}" d="{path}" marker-end="url(#{marker})"{start}/>'


def queue(*, x: float, y: float, words: str) -> str:
    rows = "".join(f'<rect class="frame" x="{x}" y="{y + 8 * row}" width="60" height="5" rx="2"/>' for row in range(5))
    return rows + text(x + 30, y + 56, words, "small middle soft")


def video() -> Iterator[str]:
    yield text(40, 46, "One video", "title")
    yield text(140, 46, "three equal segments; of each two different frames, one for the query, one for the key", "soft")
    for segment in range(SEGMENTS):
        left = 40 + segment * 352
        yield f'<rect class="panel" x="{left}" y="62" width="336" height="82" rx="8"/>'
        for place in range(5):
            kind = "query" if place == QUERY_PLACES[segment] else "key" if place == KEY_PLACES[segment] else ""
            label = f"q{segment + 1}" if kind == "query" else f"k{segment + 1}" if kind == "key" else ""
            yield frame(x=left + 18 + 62 * place, y=74, segment=segment, kind=kind, label=label)


def encoders() -> Iterator[str]:
    yield '<rect class="panel" x="40" y="186" width="440" height="172" rx="8"/>'
    yield '<rect class="panel" x="600" y="186" width="480" height="172" rx="8"/>'
    for segment in range(SEGMENTS):
        yield frame(x=200 + 66 * segment, y=200, segment=segment, kind="query", label=f"q{segment + 1}")
        yield frame(x=862 + 66 * segment, y=200, segment=segment, kind="key", label=f"k{segment + 1}")
        yield frame(x=634 + 66 * segment, y=200, segment=segment, kind="query", label=(ANCHOR_AGAIN, "q2", "q3")[segment])
    yield text(56, 225, "cropped, colored,", "small soft") + text(56, 241, "blurred, flipped", "small soft")
    yield arrow("M290 264 V284") + arrow("M840 264 V284")
    yield '<rect class="query" x="140" y="288" width="300" height="54" rx="8"/>' + text(290, 312, "Query encoder", "title middle")
    yield text(290, 331, "learns by gradient; four heads", "small middle soft")
    yield '<rect class="key" x="690" y="288" width="300" height="54" rx="8"/>' + text(840, 312, "Momentum encoder", "title middle")
    yield text(840, 331, "follows slowly, without gradient", "small middle soft")
    yield '<path class="line" stroke-dasharray="5 4" d="M444 315 H684" marker-end="url(#plain)"/>'
    yield text(540, 306, "moving average", "small middle soft")
    yield arrow("M290 144 V182") + arrow("M840 144 V182")


def card(*, x: float, title: str, lines: tuple[str, str], style: str = "panel") -> str:
    box = f'<rect class="{style}" x="{x}" y="400" width="248" height="216" rx="8"/>'
    return box + text(x + 16, 426, title, "title") + text(x + 16, 590, lines[0], "small soft") + text(x + 16, 606, lines[1], "small soft")


def inter_frame(x: float) -> Iterator[str]:
    yield card(x=x, title="Inter-frame", lines=("Frames of one video agree,", "frames of other videos do not."))
    yield frame(x=x + 18, y=478, segment=0, kind="query", label="q1")
    for segment in range(SEGMENTS):
        top = 440 + 47 * segment
        yield f'<g transform="translate({x + 104} {top}) scale(0.8)">{frame(x=0, y=0, segment=segment, kind="key")}</g>'
        yield text(x + 149, top + 20, (ANCHOR_AGAIN, "q2", "q3")[segment], "small key-ink")
        yield arrow(f"M{x + 76} 498 L{x + 99} {top + 16}", "pull")
    yield queue(x=x + 180, y=480, words="queue")


def intra_frame(x: float) -> Iterator[str]:
    yield card(x=x, title="Intra-frame", lines=("Its own second view is nearer to a", "frame than the video's others."))
    yield frame(x=x + 22, y=478, segment=0, kind="query", label="q1")
    yield frame(x=x + 166, y=446, segment=0, kind="key") + text(x + 222, 470, ANCHOR_AGAIN, "small key-ink")
    yield frame(x=x + 166, y=510, segment=1, kind="key") + text(x + 222, 534, "q2", "small key-ink")
    yield arrow(f"M{x + 80} 494 L{x + 158} 468", "pull") + f'<path class="push" d="M{x + 80} 502 L{x + 158} 528"/>'
    yield text(x + 100, 466, "near", "small pull-ink") + text(x + 100, 538, "far", "small push-ink")


def segment_contrast(x: float) -> Iterator[str]:
    yield card(
        x=x, title="Segment contrast", lines=("Both means of the segments agree:", "the video's global context."), style="panel global"
    )
    for segment in range(SEGMENTS):
        for kind, top in (("query", 440), ("key", 522)):
            small = frame(x=0, y=0, segment=segment, kind=kind)
            yield f'<g transform="translate({x + 16 + 38 * segment} {top}) scale(0.66)">{small}</g>'
    yield text(x + 136, 458, "mean of q", "small query-ink") + text(x + 136, 544, "mean of k", "small key-ink")
    yield arrow(f"M{x + 70} 474 V516", "pull", both=True)
    yield queue(x=x + 172, y=470, words="queue")


def temporal_order(x: float) -> Iterator[str]:
    yield card(x=x, title="Temporal order", lines=("Which tuple was shuffled:", "neither, query, key, or both?"))
    for place, segment in enumerate((1, 0, 2)):
        yield f'<g transform="translate({x + 16 + 38 * place} 440) scale(0.66)">{frame(x=0, y=0, segment=segment, kind="query")}</g>'
    for place in range(SEGMENTS):
        yield f'<g transform="translate({x + 16 + 38 * place} 522) scale(0.66)">{frame(x=0, y=0, segment=place, kind="key")}</g>'
    yield text(x + 16, 486, "q2, q1, q3", "small query-ink") + text(x + 16, 514, "k1, k2, k3", "small key-ink")
    yield arrow(f"M{x + 134} 454 L{x + 164} 480") + arrow(f"M{x + 134} 534 L{x + 164} 510")
    for choice in range(4):
        style = "query" if choice == 1 else "frame"
        yield f'<rect class="{style}" x="{x + 170 + 17 * choice}" y="486" width="13" height="18" rx="3"/>'


def picture() -> str:
    parts = [f'<rect class="page" x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="12"/>', *video(), *encoders()]
    parts.append('<path class="line" d="M290 358 V377 M840 358 V377 M164 377 H956"/>')
    parts += [arrow(f"M{164 + 264 * place} 377 V397") for place in range(4)]
    for place, term in enumerate((inter_frame, intra_frame, segment_contrast, temporal_order)):
        parts += term(40 + 264 * place)
    parts.append(arrow("M560 622 V646") + text(560, 670, "loss: the sum of the four", "title middle"))
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
