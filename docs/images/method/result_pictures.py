"""Pictures 9 and 10: what the encoder gives, and a collapse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canvas import WIDTH, box, document, picture, stripes, text
from material import Result

Curve = list[tuple[int, float]]


def neighbors(results: Sequence[Result]) -> str:
    title = "A test video, its feature, and the training videos with the most and the least similar features"
    return document(_neighbors(results), title=title, height=96 + 92 * len(results))


def _neighbors(results: Sequence[Result]) -> Iterator[str]:
    yield text(20, 36, "video", "title") + text(250, 36, "feature", "title") + text(426, 36, "cosine", "title")
    query = results[0]
    for row, result in enumerate(results):
        last = row == len(results) - 1
        top, right = 54 + 92 * row + 32 * last, result.class_name == query.class_name
        if last:
            yield text(20, top - 16, "and the least similar training video:", "small soft")
        kind = "query" if row == 0 else "pull" if right else "push"
        yield box(10, top - 6, WIDTH - 20, 84, "query" if row == 0 else "panel")
        for place, frame in enumerate(result.frames):
            yield picture(frame, x=20 + 74 * place, y=top + 2, side=68, edge=f"{kind}-edge")
        yield stripes(result.feature.tolist(), x=250, y=top + 6, width=160, height=60)
        yield text(426, top + 28, "the query" if row == 0 else f"{result.similarity:.3f}", f"title {kind}-ink")
        for line, words in enumerate(_class_words(result.class_name)):
            yield text(426, top + 50 + 18 * line, words, "small soft")


def _class_words(name: str) -> list[str]:
    """`BarsDiscRing` as two lines."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in name).split()
    return [" ".join(words[:2]), " ".join(words[2:])]


def collapse(*, healthy: tuple[Curve, Curve], collapsed: tuple[Curve, Curve]) -> str:
    title = "Similarity of positives and of other videos over the steps: a gap in a healthy run, none in a collapsed one"
    return document(_collapse(healthy, collapsed), title=title, height=500)


def _collapse(healthy: tuple[Curve, Curve], collapsed: tuple[Curve, Curve]) -> Iterator[str]:
    yield from _panel(healthy, top=14, name="Healthy: a gap opens")
    yield from _panel(collapsed, top=256, name="Collapsed: no gap")


def _panel(curves: tuple[Curve, Curve], *, top: float, name: str) -> Iterator[str]:
    left, right, high, low = 60, WIDTH - 24, top + 48, top + 186
    steps = curves[0][-1][0]
    yield box(10, top, WIDTH - 20, 232) + text(24, top + 30, name, "title") + text(right, top + 30, "cosine similarity", "small soft end")
    for tick in (0.0, 0.5, 1.0):
        y = low - (low - high) * tick
        yield f'<path class="edge" d="M{left} {y:.1f}H{right}"/>' + text(left - 10, y + 6, f"{tick:g}", "small soft end")
    for curve, style in zip(curves, ("pull", "push"), strict=True):
        places = ((left + (right - left) * step / steps, low - (low - high) * max(value, 0.0)) for step, value in curve)
        yield f'<polyline class="{style}" points="{" ".join(f"{x:.0f},{y:.1f}" for x, y in places)}"/>'
    for x, style, words in ((left, "pull", "positives"), (left + 116, "push", "other videos of the batch")):
        yield f'<path class="{style}" d="M{x} {top + 208}h30"/>' + text(x + 36, top + 214, words, f"small {style}-ink")
    yield text(right, top + 214, f"step {steps}", "small soft end")
