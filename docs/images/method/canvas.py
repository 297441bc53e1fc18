"""Parts of an SVG picture that is readable at 390 pixels, in light and dark: frames, words, arrows, a scale of similarities."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

WIDTH = 560
STYLE = """
  .page { fill: #ffffff; stroke: #dde3ea }
  .panel { fill: #f3f6f9; stroke: #cfd7e0 }
  .ink { fill: #1d2733 }
  .soft { fill: #4f5d6b }
  .edge { fill: none; stroke: #aab4c0; stroke-width: 1 }
  .line { fill: none; stroke: #5a6675; stroke-width: 2 }
  .head { fill: #5a6675 }
  .query { fill: #e6f1fd; stroke: #1668c7 }
  .key { fill: #fdefe2; stroke: #c05f00 }
  .query-edge { fill: none; stroke: #1668c7; stroke-width: 3.5 }
  .key-edge { fill: none; stroke: #c05f00; stroke-width: 3.5 }
  .query-ink { fill: #1258ab }
  .key-ink { fill: #a14f00 }
  .pull { fill: none; stroke: #1a7f4b; stroke-width: 2.5 }
  .pull-edge { fill: none; stroke: #1a7f4b; stroke-width: 3.5 }
  .pull-mark { fill: #1a7f4b }
  .pull-ink { fill: #14693d }
  .push { fill: none; stroke: #c22f3d; stroke-width: 2.5; stroke-dasharray: 6 4 }
  .push-edge { fill: none; stroke: #c22f3d; stroke-width: 3.5 }
  .push-mark { fill: #c22f3d }
  .push-ink { fill: #b32634 }
  .push-bar { fill: #e79aa1 }
  .value { fill: #1668c7 }
  text { font: 18px "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif }
  .title { font-weight: 600 }
  .small { font-size: 16px }
  .middle { text-anchor: middle }
  .end { text-anchor: end }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14191f; stroke: #38424d }
    .panel { fill: #1f2730; stroke: #3a4550 }
    .ink { fill: #e8edf2 }
    .soft { fill: #b1bcc8 }
    .edge { stroke: #586573 }
    .line { stroke: #a9b4c0 }
    .head { fill: #a9b4c0 }
    .query { fill: #16324f; stroke: #63a9f5 }
    .key { fill: #47301a; stroke: #f0a04b }
    .query-edge { stroke: #63a9f5 }
    .key-edge { stroke: #f0a04b }
    .query-ink { fill: #86bdf8 }
    .key-ink { fill: #f5b671 }
    .pull, .pull-edge { stroke: #4cc38a }
    .pull-mark { fill: #4cc38a }
    .pull-ink { fill: #6bd3a0 }
    .push, .push-edge { stroke: #f2777f }
    .push-mark { fill: #f2777f }
    .push-ink { fill: #f68f96 }
    .push-bar { fill: #8c3a43 }
    .value { fill: #63a9f5 }
  }
"""


def text(x: float, y: float, words: str, style: str = "ink") -> str:
    """Words at a baseline; without a color in `style` they have the ink's."""
    colored = style if "ink" in style or "soft" in style else f"{style} ink"
    return f'<text class="{colored}" x="{x:g}" y="{y:g}">{words}</text>'


def box(x: float, y: float, width: float, height: float, style: str = "panel") -> str:
    return f'<rect class="{style}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>'


def arrow(path: str, style: str = "line", *, both: bool = False) -> str:
    start = f' marker-start="url(#{style})"' if both else ""
    return f'<path class="{style}" d="{path}" marker-end="url(#{style})"{start}/>'


def picture(pixels: Tensor, *, x: float, y: float, side: float, edge: str = "edge", quality: int = 88) -> str:
    """A frame or view, uint8 `[3, H, W]`, as a square with an outline."""
    memory = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(memory, "JPEG", quality=quality, subsampling=0, optimize=True)
    data = base64.b64encode(memory.getvalue()).decode()
    place = f'x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}"'
    return f'<image {place} href="data:image/jpeg;base64,{data}"/><rect class="{edge}" {place} rx="2"/>'


def stripes(values: Sequence[float], *, x: float, y: float, width: float, height: float) -> str:
    """Numbers as bars from a common base line."""
    step, top = width / len(values), max(abs(value) for value in values)
    bars = "".join(
        f"M{x + step * place:.1f} {y + height:g}v{-height * abs(value) / top:.1f}h{step * 0.7:.1f}v{height * abs(value) / top:.1f}z"
        for place, value in enumerate(values)
    )
    return f'<path class="value" d="{bars}"/>'


class Scale:
    """An axis of cosine similarities from `low` to 1."""

    def __init__(self, *, y: float, low: float, left: float = 40, right: float = WIDTH - 40) -> None:
        self.y, self.low, self.left, self.right = y, low, left, right

    def x(self, similarity: float) -> float:
        return self.left + (self.right - self.left) * (max(similarity, self.low) - self.low) / (1 - self.low)

    def axis(self, ticks: Iterable[float]) -> str:
        line = f'<path class="line" d="M{self.left} {self.y}H{self.right}"/>'
        marks = "".join(f'<path class="line" d="M{self.x(tick):.1f} {self.y}v6"/>' for tick in ticks)
        return line + marks + "".join(text(self.x(tick), self.y + 25, f"{tick:g}", "small soft middle") for tick in ticks)

    def histogram(self, values: Sequence[float], *, height: float, bins: int = 40) -> str:
        counts, edges = np.histogram(np.clip(values, self.low, 1), bins=bins, range=(self.low, 1))
        bars = "".join(
            f"M{self.x(edge) + 1:.1f} {self.y}v{-height * count / counts.max():.1f}H{self.x(after) - 1:.1f}V{self.y}z"
            for count, edge, after in zip(counts, edges[:-1], edges[1:], strict=True)
            if count
        )
        return f'<path class="push-bar" d="{bars}"/>'

    def mark(self, similarity: float, *, style: str = "pull", height: float = 30) -> str:
        x = self.x(similarity)
        line = f'<path class="{style}" d="M{x:.1f} {self.y}v{-height}"/>'
        return f'{line}<circle class="{style}-mark" cx="{x:.1f}" cy="{self.y - height}" r="6"/>'


def document(parts: Iterable[str], *, title: str, height: float) -> str:
    """The SVG; `title` is read to people who do not see it."""
    markers = "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="6" markerHeight="6" orient="auto-start-reverse">'
        f'<path class="{style}" d="M0 0 L10 5 L0 10 z"/></marker>'
        for name, style in (("line", "head"), ("pull", "pull-mark"), ("push", "push-mark"))
    )
    page = f'<rect class="page" x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="12"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<defs>{markers}</defs>\n" + "\n".join([page, *parts]) + "\n</svg>\n"
    )
