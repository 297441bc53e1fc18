"""Pictures 5 to 8: the four terms of the loss, with similarities of a trained run."""

from __future__ import annotations

from collections.abc import Iterator

from canvas import WIDTH, Scale, arrow, box, document, picture, text
from material import Sample, Similarities
from torch import Tensor

HEADS = "Each term has its own projection head, so its own cosines."


def inter_frame(sample: Sample, found: Similarities) -> str:
    return document(
        _inter_frame(sample, found), title="Inter-frame term: the anchor, three positives, a histogram of the queue", height=510
    )


def _others(sample: Sample) -> list[int]:
    return [segment for segment in range(3) if segment != sample.draw.anchor_segment]


def _inter_frame(sample: Sample, found: Similarities) -> Iterator[str]:
    anchor, others = sample.draw.anchor_segment, _others(sample)
    yield picture(sample.views[anchor], x=30, y=52, side=96, edge="query-edge") + text(78, 172, "anchor", "title small middle query-ink")
    yield arrow("M134 100 H212", "pull", both=True)
    labels = ("second view", f"segment {others[0] + 1}", f"segment {others[1] + 1}")
    for place, (view, label) in enumerate(zip((6, *others), labels, strict=True)):
        x = 222 + 112 * place
        yield picture(sample.views[view], x=x, y=52, side=96, edge="pull-edge") + text(x + 48, 172, label, "small middle pull-ink")
        yield text(x + 48, 194, f"{found.positives[place]:.2f}", "title middle pull-ink")
    yield text(222, 34, "positives: frames of the same video", "title small pull-ink")
    yield from _scale(found, y=388, top=226, negatives=f"{len(found.queue)} keys in the queue")
    above = [sum(key > value for key in found.queue) for value in found.positives]
    yield text(40, 440, f"{min(above)} to {max(above)} keys are nearer than a positive: each shape", "small soft")
    yield text(40, 462, "is in five of the ten classes, so other videos show it too.", "small soft")
    yield text(40, 492, HEADS, "small soft")


def _scale(found: Similarities, *, y: float, top: float, negatives: str, query: str = "anchor") -> Iterator[str]:
    low = min(found.queue + found.positives)
    low = 0.1 * int(low * 10)
    scale = Scale(y=y, low=low)
    yield text(40, top + 12, f"Cosine similarity to the {query}", "title small")
    yield text(40, top + 36, "green: positives", "small pull-ink") + text(40, top + 58, f"red: {negatives}", "small push-ink")
    yield scale.histogram(found.queue, height=74)
    for value in found.positives:
        yield scale.mark(value, height=100)
    ticks = [tick / 10 for tick in range(round(low * 10), 11)]
    yield scale.axis(ticks if len(ticks) < 8 else ticks[::-2][::-1])


def intra_frame(sample: Sample, found: Similarities) -> str:
    return document(_intra_frame(sample, found), title="Intra-frame term: the anchor, its second view, and two other frames", height=404)


def _intra_frame(sample: Sample, found: Similarities) -> Iterator[str]:
    anchor, others = sample.draw.anchor_segment, _others(sample)
    yield picture(sample.views[anchor], x=30, y=130, side=110, edge="query-edge") + text(85, 262, "anchor", "title small middle query-ink")
    rows = [(20, 6, "pull", "its second view", "should be near", found.positives[0])]
    for place, view in enumerate(others):
        rows.append((138 + 118 * place, view, "push", f"segment {view + 1}", "may be farther", found.positives[place + 1]))
    for top, view, style, label, wish, value in rows:
        yield arrow(f"M148 {185 + (top - 138) * 0.12:.0f} L234 {top + 48}", style)
        yield picture(sample.views[view], x=244, y=top, side=96, edge=f"{style}-edge")
        yield text(356, top + 34, label, f"title small {style}-ink") + text(356, top + 58, wish, "small soft")
        yield text(356, top + 84, f"cosine {value:.2f}", f"small {style}-ink")
    yield text(30, 388, HEADS, "small soft")


def segment_contrast(sample: Sample, found: Similarities) -> str:
    title = "Segment contrast: the mean of the query tuple and the mean of the key tuple, and a histogram of the queue"
    return document(_segment_contrast(sample, found), title=title, height=506)


def _segment_contrast(sample: Sample, found: Similarities) -> Iterator[str]:
    for kind, first, top, name in (("query", 0, 18, "query tuple"), ("key", 3, 146, "key tuple")):
        for segment in range(3):
            yield picture(sample.views[first + segment], x=26 + 96 * segment, y=top, side=86, edge=f"{kind}-edge")
        yield text(26, top + 107, f"{name}: all three segments", f"small {kind}-ink")
        yield arrow(f"M318 {top + 43} H352") + box(360, top + 18, 118, 50, kind)
        yield text(419, top + 49, "mean", f"title middle {kind}-ink")
    yield arrow("M419 94 V156", "pull", both=True) + text(432, 130, f"cosine {found.positives[0]:.2f}", "title small pull-ink")
    yield from _scale(found, y=448, top=286, negatives=f"{len(found.queue)} means of other tuples, in a queue", query="query mean")


def temporal_order(sample: Sample) -> str:
    title = "Temporal order: four cases, by whether the query tuple and the key tuple are shuffled"
    return document(_temporal_order(sample), title=title, height=468)


def _temporal_order(sample: Sample) -> Iterator[str]:
    shuffled = (1, 0, 2)
    yield text(WIDTH / 2, 32, "Which of the four is it?", "title middle")
    names = ("both in order", "query shuffled", "key shuffled", "both shuffled")
    for label, name in enumerate(names):
        x, y = 14 + 270 * (label % 2), 48 + 206 * (label // 2)
        yield box(x, y, 262, 196)
        yield text(x + 14, y + 28, f"{label}", "title") + text(x + 34, y + 28, name, "small")
        yield _row(sample.views[:3], shuffled if label in (1, 3) else (0, 1, 2), x=x + 14, y=y + 42, edge="query-edge")
        yield _row(sample.views[3:6], shuffled if label in (2, 3) else (0, 1, 2), x=x + 14, y=y + 118, edge="key-edge")


def _row(views: Tensor, order: tuple[int, ...], *, x: float, y: float, edge: str) -> str:
    return "".join(picture(views[segment], x=x + 80 * place, y=y, side=66, edge=edge) for place, segment in enumerate(order))
