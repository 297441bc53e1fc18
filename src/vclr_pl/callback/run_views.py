"""The views of a batch as the run page shows them: which frames belong together, and what the network has to find out."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from vclr_pl.callback.view_grid import LABELS, pixels_of
from vclr_pl.report.run_page import VideoViews, ViewGroup
from vclr_pl.types import LabeledViews, SegmentViews

SIDE_PIXELS = 128  # of a picture at most
QUALITY = 70
GOALS = {  # of the terms of the objective
    "inter_frame": "Inter-frame: the anchor should be similar to its second view and to the other query frames.",
    "intra_frame": "Intra-frame: the anchor should be more similar to its second view than to the other query frames.",
    "segment_contrast": "Segment contrast: the mean of the query tuple should be similar to that of the key tuple.",
    "nearest_neighbor": "Nearest neighbor: the mean of the query tuple should be similar to the key in the queue nearest to the key tuple.",
    "temporal_order": "Temporal order: a classifier predicts which tuples are shown in order.",
    "byol": "BYOL: a predictor maps the mean of the query tuple to that of the key tuple.",
}
RECOGNITION_NOTE = "What the network receives of each video: one frame or clip of each segment, cropped and flipped at random."


def views_of(batch: Any, *, names: Sequence[str], class_names: Sequence[str], normalized: Any) -> list[VideoViews]:
    """The views of the first videos of a normalized batch.

    Args:
        names: of these videos.
        class_names: of the labels, for recognition.
        normalized: has `mean` and `std`.
    """
    if isinstance(batch, SegmentViews):
        return [_contrasted(batch, video, name=name, normalized=normalized) for video, name in enumerate(names)]
    if not isinstance(batch, LabeledViews):  # features in place of views
        return []
    return [_labeled(batch, video, name=name, class_names=class_names, normalized=normalized) for video, name in enumerate(names)]


def note_on(batch: Any, *, sampled: str, terms: Iterable[str]) -> str:
    """How to read the views.

    Args:
        sampled: the sampled frames in words, for pretraining; empty for a sampling of the user's own.
        terms: names of the objective's terms, for pretraining.
    """
    if not isinstance(batch, SegmentViews):
        return RECOGNITION_NOTE
    first = f"What the network receives of each video: {sampled or 'frames'}, cropped and colored at random."
    return " ".join([first, *(GOALS[term] for term in terms if term in GOALS)])


def _contrasted(batch: SegmentViews, video: int, *, name: str, normalized: Any) -> VideoViews:
    anchor, label = int(batch.anchor_segment[video]), int(batch.order_label[video])
    tuples: list[ViewGroup] = []
    for title, frames, order in (
        ("Query tuple, in the order shown", batch.query_frames[video], batch.query_order[video].tolist()),
        ("Key tuple, in the order shown", batch.key_frames[video], batch.key_order[video].tolist()),
    ):
        is_query = not tuples
        captions = [f"segment {segment + 1}" + (", anchor" if is_query and segment == anchor else "") for segment in order]
        marked = [is_query and segment == anchor for segment in order]
        tuples.append(_group(title, [frames[segment] for segment in order], captions, marked, normalized=normalized))
    again = _group("Anchor again", [batch.anchor_second_view[video]], ["second view"], [True], normalized=normalized)
    return VideoViews(name=name, answer=f"Order label {label}: {LABELS[label]}", groups=[*tuples, again])


def _labeled(batch: LabeledViews, video: int, *, name: str, class_names: Sequence[str], normalized: Any) -> VideoViews:
    views, label = list(batch.views[video]), int(batch.label[video])
    captions = [f"segment {segment + 1}" for segment in range(len(views))]
    group = _group("Frames, in order of time", views, captions, [False] * len(views), normalized=normalized)
    return VideoViews(name=name, answer=f"Class: {class_names[label]}", groups=[group])


def _group(title: str, views: Sequence[Tensor], captions: Sequence[str], marked: Sequence[bool], *, normalized: Any) -> ViewGroup:
    pictures = [_webp(pixels_of(view, mean=normalized.mean, std=normalized.std)) for view in views]
    return ViewGroup(title=title, pictures=pictures, captions=captions, marked=marked)


def _webp(pixels: np.ndarray[Any, Any]) -> bytes:
    picture, stream = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
    picture.save(stream, "WEBP", quality=QUALITY)
    return stream.getvalue()
