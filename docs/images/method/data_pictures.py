"""Pictures 1 to 4: a video in segments, views, one sample, the two encoders with a queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canvas import WIDTH, arrow, box, document, picture, text
from material import Augmented, Sample

COLORS = ("#e6a700", "#2f8fe0", "#d9480f", "#12a594", "#b45ad6", "#e5487e")  # of a crop and its view; visible on light and dark


def video(sample: Sample) -> str:
    return document(_video(sample), title="The 15 frames of a video in three segments, each with a query and a key frame", height=452)


def _video(sample: Sample) -> Iterator[str]:
    side, gap, per_segment = 76, 9, len(sample.frames) // 3
    for segment in range(3):
        top = 14 + 134 * segment
        yield box(14, top, WIDTH - 28, 122)
        yield text(28, top + 44, "segment", "small") + text(28, top + 72, f"{segment + 1}", "title")
        for place in range(per_segment):
            number = per_segment * segment + place
            kind = {int(sample.draw.moments.query[segment, 0]): "query", int(sample.draw.moments.key[segment, 0]): "key"}.get(number, "")
            x = 118 + (side + gap) * place
            yield picture(sample.frames[number], x=x, y=top + 12, side=side, edge=f"{kind}-edge" if kind else "edge")
            label, style = (f"{kind} {number + 1}", f"title {kind}-ink") if kind else (f"{number + 1}", "soft")
            yield text(x + side / 2, top + 111, label, f"small middle {style}")
    first, last = 118, 118 + 3 * side + 2 * gap
    yield f'<path class="line" d="M{first} 414v8H{last}v-8"/>' + text(last + 14, 428, "clip: frames in a row", "small soft")


def views(frame: Sample, augmented: Sequence[Augmented], number: int) -> str:
    return document(_views(frame, augmented, number), title="One frame, the windows that are cropped from it, and six views", height=356)


def _views(sample: Sample, augmented: Sequence[Augmented], number: int) -> Iterator[str]:
    left, top, side = 20, 78, 168
    scale = side / sample.frames.shape[-1]
    yield text(left, 62, "one frame", "title")
    yield picture(sample.frames[number], x=left, y=top, side=side)
    for place, view in enumerate(augmented):
        y, x, height, width = (scale * value for value in view.window)
        shape = f'x="{left + x:.1f}" y="{top + y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        yield f'<rect {shape} fill="none" stroke="{COLORS[place]}" stroke-width="3"/>'
    yield text(left, top + side + 26, "boxes: the crop", "small soft") + text(left, top + side + 46, "of each view", "small soft")
    yield arrow(f"M{left + side + 6} {top + side / 2} h22")
    for place, view in enumerate(augmented):
        x, y = 226 + 108 * (place % 3), 36 + 158 * (place // 3)
        if place < 3:
            yield text(x, 26, "views of it" if place == 0 else "", "title")
        yield picture(view.view, x=x, y=y, side=100)
        yield f'<rect x="{x}" y="{y}" width="100" height="100" rx="2" fill="none" stroke="{COLORS[place]}" stroke-width="4"/>'
        for line, words in enumerate(view.operations.split(", ")):
            yield text(x, y + 119 + 19 * line, words, "small soft")


def sample_of_a_video(sample: Sample) -> str:
    return document(_sample(sample), title="A query tuple, a key tuple, and the anchor with its second view", height=424)


def _sample(sample: Sample) -> Iterator[str]:
    order, anchor = sample.draw.order, sample.draw.anchor_segment
    rows = (("query tuple", "query", 0, order.query.tolist()), ("key tuple", "key", 3, order.key.tolist()))
    for row, (name, kind, first, shown) in enumerate(rows):
        top = 16 + 140 * row
        yield box(14, top, WIDTH - 28, 128)
        in_order = "in order" if shown == sorted(shown) else "shuffled"
        yield text(30, top + 48, name, f"title {kind}-ink") + text(30, top + 72, in_order, "small soft")
        for place, segment in enumerate(shown):
            x = 190 + 116 * place
            yield picture(sample.views[first + segment], x=x, y=top + 10, side=84, edge=f"{kind}-edge")
            label = f"segment {segment + 1}"
            yield text(x + 42, top + 116, label, f"small middle {kind}-ink")
            if kind == "query" and segment == anchor:
                yield f'<circle class="query" cx="{x + 84}" cy="{top + 12}" r="13"/>'
                yield text(x + 84, top + 18, "A", "title middle query-ink")
    yield box(14, 296, WIDTH - 28, 112)
    yield text(30, 340, "A, the anchor,", "title query-ink") + text(30, 364, "and its second view", "small soft")
    yield picture(sample.views[anchor], x=196, y=310, side=84, edge="query-edge")
    yield arrow("M290 352 H312", "pull", both=True)
    yield picture(sample.views[6], x=322, y=310, side=84, edge="key-edge")
    yield text(416, 346, "same frame,", "small soft") + text(416, 368, "another crop", "small soft")


def encoders(sample: Sample) -> str:
    return document(_encoders(sample), title="The query encoder, the momentum encoder, and a queue of keys", height=520)


def _encoders(sample: Sample) -> Iterator[str]:
    anchor = sample.draw.anchor_segment
    columns = ((20, "query", "Query encoder", "learns by gradient", sample.views[anchor]),)
    columns += ((312, "key", "Momentum encoder", "slow average of it", sample.views[6]),)
    for x, kind, name, how, view in columns:
        yield picture(view, x=x + 72, y=18, side=84, edge=f"{kind}-edge")
        yield arrow(f"M{x + 114} 108 v22")
        yield box(x, 134, 228, 66, kind) + text(x + 114, 162, name, "title middle") + text(x + 114, 186, how, "small middle soft")
        yield arrow(f"M{x + 114} 204 v26")
        yield box(x + 24, 234, 180, 34, kind) + text(x + 114, 257, f"{kind}: 128 numbers", f"small middle {kind}-ink")
    yield arrow("M252 167 H306")
    yield arrow("M230 251 H330", "pull", both=True)
    yield text(280, 240, "similar", "small middle pull-ink")
    yield arrow("M426 272 V300") + text(438, 292, "enters", "small soft")
    yield box(282, 304, 268, 200)
    yield text(298, 330, "Queue of earlier keys", "title small")
    for row in range(6):
        style = "key" if row == 0 else "edge"
        yield f'<rect class="{style}" x="306" y="{344 + 20 * row}" width="168" height="14" rx="4" opacity="{1 - 0.13 * row:g}"/>'
    yield text(482, 357, "newest", "small soft") + text(482, 457, "oldest", "small soft")
    yield arrow("M390 466 v20") + text(404, 486, "leaves", "small soft")
    yield arrow("M134 272 V410 H294", "push")
    yield text(20, 440, "dissimilar: the queue holds", "small push-ink") + text(20, 462, "keys of other videos", "small push-ink")
