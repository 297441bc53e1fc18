"""Temporal order regularization: is the query tuple in order, is the key tuple (VCLR section 3.4).

A linear classifier reads the projected frames of both tuples, in the order shown, and predicts one of four cases:
query shuffled + 2 x key shuffled.

Legend: B videos, S segments, D projection.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vclr_pl.op.contrast import at_least_float32, unit_norm
from vclr_pl.types import Contrast, InputError, Projections, TermNeeds, TermOutput

CASES = 4


class TemporalOrder(nn.Module):
    """Cross-entropy of the four cases; query and key `[B, S, D]` in the order shown. The classifier is part of the objective.

    Args:
        weight: factor of this term in the sum.
        segments: S, frames of a tuple.
        dim: D of the order head.
        normalize_over: `segment` scales each of the D features to unit norm over the S frames, as the release does (probably
            an error: it mixes the frames whose order is predicted). `feature` scales each frame's feature, probably the intended
            behavior.

    Raises:
        InputError: for fewer than 3 segments.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="order", head_input="tuple", unit_norm=False)

    def __init__(self, *, weight: float, segments: int, dim: int, normalize_over: Literal["segment", "feature"]) -> None:
        super().__init__()
        if segments < 3:
            raise InputError(
                expected="3 segments or more for the order term, as every order of 2 is the identity or its reversal",
                got=f"sampling.segments={segments}",
                hint="Raise it, or leave the term out: '~objective.terms.temporal_order'.",
            )
        if normalize_over not in ("segment", "feature"):
            raise ValueError(f"normalize_over is 'segment' or 'feature', not {normalize_over!r}")
        self.weight = weight
        self.normalized_dim = 1 if normalize_over == "segment" else 2
        self.classifier = nn.Linear(2 * segments * dim, CASES)

    def order_features(self, projected_BSD: Tensor) -> Tensor:
        """`[B, S, D]` to half of the classifier's input, `[B, S D]`."""
        return unit_norm(projected_BSD, dim=self.normalized_dim).flatten(1)

    def logits(self, contrast: Contrast) -> Tensor:
        """`[B, 4]`."""
        both = torch.cat([self.order_features(contrast.query), self.order_features(contrast.key)], dim=1)
        logits_B4: Tensor = self.classifier(both)
        return logits_B4

    def forward(self, projections: Projections) -> TermOutput:
        logits_B4 = at_least_float32(self.logits(projections.by_head[self.needs.head]))
        loss = nn.functional.cross_entropy(logits_B4, projections.order_label)
        accuracy = 100.0 * (logits_B4.detach().argmax(1) == projections.order_label).float().mean()
        return TermOutput(loss=loss, metrics={"accuracy": accuracy})
