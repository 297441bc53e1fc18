"""Nearest-neighbor positives from the queue (NNCLR, Dwibedi et al. 2021, arXiv 2104.14548).

Legend: B videos, K queue rows, D projection.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from vclr_pl.objective.terms import ContrastWithQueue, SegmentContrast
from vclr_pl.op.contrast import ContrastLogits, at_least_float32
from vclr_pl.types import Contrast, Projections, TermNeeds, TermOutput


class NearestNeighbor(ContrastWithQueue):
    """Segment contrast with the key's nearest neighbor in the queue as the positive: usually a tuple of another video.

    Query and key `[B, D]`, queue `[K, D]`. The positive of a query is the row with the highest similarity to its key; the other rows
    are the negatives. Rows that `own_video` masks are neither. The paper takes the other videos of a batch of 4,096 as negatives, and
    both views as queries; here the negatives are those of the other terms, for small batches.

    The term reads the head and the queue `segment`, which it shares with the segment contrast. Without masked rows the nearest one is
    often an earlier key of the same video: with small data set `queue.segment.mask_own_video=true`.
    """

    needs: ClassVar[TermNeeds] = SegmentContrast.needs

    def logits(self, contrast: Contrast) -> ContrastLogits:
        """Logits `[1, B]` and `[B, K]`; those of the positive's own row and of masked rows are -inf."""
        return super().logits(self.with_neighbors(contrast))

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.needs.head]
        found = self.with_neighbors(contrast)
        output = super().forward(replace(projections, by_head={**projections.by_head, self.needs.head: found}))
        similarity = (at_least_float32(contrast.key) * at_least_float32(found.key)).sum(1).mean()
        return replace(output, metrics={**output.metrics, "neighbor_similarity": similarity})

    @torch.no_grad()
    def with_neighbors(self, contrast: Contrast) -> Contrast:
        """The contrast with the neighbors as keys, and their rows masked as negatives."""
        rows_KD = self.rows(contrast)
        with torch.autocast(rows_KD.device.type, enabled=False):  # rounded to bfloat16, near rows would tie
            similarity_BK: Tensor = at_least_float32(contrast.key) @ at_least_float32(rows_KD).t()
        if contrast.own_video is not None:
            similarity_BK.masked_fill_(contrast.own_video, float("-inf"))
        nearest_B1 = similarity_BK.argmax(1, keepdim=True)
        own_BK = torch.zeros_like(similarity_BK, dtype=torch.bool) if contrast.own_video is None else contrast.own_video
        return replace(contrast, key=rows_KD[nearest_B1.squeeze(1)], own_video=own_BK.scatter(1, nearest_B1, True))
