"""Retrieval of made copies: how often the nearest video of a copy is the video that it was made of. It needs no labels.

Legend: P copies, Q videos with copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from vclr_pl.evaluation.accuracy import QueryScores, refuse_unusable
from vclr_pl.evaluation.neighbor_search import nearest_neighbors
from vclr_pl.types import FeatureTable, InputError

COPY_TOP1 = "copy_top1"


class CopyRetrieval:
    """The share of made copies whose nearest gallery video by cosine is their original; the mean over videos of that over their copies.

    The run makes the copies of `copied_videos` gallery videos (`given`).

    Args:
        videos: number of gallery videos of which copies are made, evenly spaced in the list.
        with_labels: true also takes it of videos with labels, which have better measures.

    Raises:
        InputError: less than two videos.
    """

    needs_labels = False

    def __init__(self, *, videos: int, with_labels: bool) -> None:
        self.videos, self.stands_in_for_labels = videos, not with_labels
        if videos < 2:
            raise InputError(expected="videos of 2 or more, of which copies are made", got=str(videos), hint="Set for instance videos=48.")

    @property
    def copied_videos(self) -> int:
        """Number of gallery videos of which it needs copies."""
        return self.videos

    def given(self, copies: FeatureTable) -> RetrievalOfCopies:
        """The measure of these copies; their `video_index` is that of their originals."""
        return RetrievalOfCopies(copies)


class RetrievalOfCopies:
    """`CopyRetrieval` with its copies."""

    needs_labels = False

    def __init__(self, copies: FeatureTable) -> None:
        self.copies = copies

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """`copy_top1` in percent; empty without a readable copy."""
        scores = self.scores(gallery=gallery, query=query)
        return {} if scores is None else scores.metrics()

    def scores(self, *, gallery: FeatureTable, query: FeatureTable | None) -> QueryScores | None:  # noqa: ARG002 (as all measures)
        """`copy_top1`, a value for each original: the share of its copies that find it.

        Raises:
            InputError: an empty table, or a feature that is not finite.
        """
        refuse_unusable(gallery, role="gallery")
        if not len(self.copies):
            return None
        refuse_unusable(self.copies, role="copied")
        nearest = nearest_neighbors(gallery_GF=gallery.features, query_QF=self.copies.features, neighbors=1)
        right_P = (gallery.video_index[nearest.index[:, 0]] == self.copies.video_index).double()
        original_Q, place_P = torch.unique(self.copies.video_index, return_inverse=True)
        zeros_Q = torch.zeros(len(original_Q), dtype=torch.float64)
        found_Q, copies_Q = (zeros_Q.index_add(0, place_P, value_P) for value_P in (right_P, torch.ones_like(right_P)))
        return QueryScores(label=torch.zeros(len(original_Q), dtype=torch.long), values={COPY_TOP1: found_Q / copies_Q})


def copied_videos(measures: Mapping[str, object]) -> int:
    """Number of videos of which the measures need copies; 0 if none does."""
    return max((int(getattr(measure, "copied_videos", 0)) for measure in measures.values()), default=0)


def with_copies(measures: Mapping[str, Any], copies: FeatureTable) -> dict[str, Callable[..., dict[str, float]]]:
    """The measures, those that need copies with them."""
    return {name: measure.given(copies) if copied_videos({name: measure}) else measure for name, measure in measures.items()}
