"""Intra-frame discrimination: the anchor against its own second augmentation, frames of the same video as negatives.

Each of the S - 1 other query frames gives a row of two logits, positive first (VCLR section 3.2; SeCo).
"""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from vclr_pl.op.contrast import ContrastLogits, info_nce, top1_accuracy
from vclr_pl.types import Contrast, Projections, TermOutput


class IntraFrame(nn.Module):
    """Head `intra`: query `[B, D]`, keys `[S, B, D]`, the second augmentation first; no queue.

    Args:
        weight: factor of this term in the sum.
        temperature: divisor of the cosine similarities.
    """

    head: ClassVar[str] = "intra"
    queue: ClassVar[str | None] = None

    def __init__(self, *, weight: float, temperature: float) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature

    def logits(self, contrast: Contrast) -> ContrastLogits:
        """Positive `[S - 1, B]` (the same one in each row) and negative `[S - 1, B, 1]`."""
        similarity_SB = (contrast.query * contrast.key).sum(-1) / self.temperature
        others_SB = similarity_SB[1:]
        return ContrastLogits(positive=similarity_SB[:1].expand_as(others_SB), negative=others_SB.unsqueeze(-1))

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.head]
        logits = self.logits(contrast)
        other_SB = logits.negative.squeeze(-1)
        loss = info_nce(positive_VN=logits.positive, negative_logsumexp_N=other_SB)
        return TermOutput(loss=loss, metrics={"accuracy": top1_accuracy(logits.positive, other_SB)})
