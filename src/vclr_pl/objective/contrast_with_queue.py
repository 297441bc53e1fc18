"""A query against its positives, with a queue's rows as negatives: what the inter-frame and the segment term share.

Legend: B videos, V positives a query, K queue rows, D projection.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from vclr_pl.op.contrast import ContrastLogits, contrast_logits, info_nce, pool_negatives, positive_logits, top1_accuracy
from vclr_pl.op.similarity import contrast_metrics
from vclr_pl.types import Contrast, Projections, TermOutput


class ContrastWithQueue(nn.Module):
    """InfoNCE of one head against the queue of the same name.

    Args:
        weight: factor of this term in the sum.
        temperature: divisor of the cosine similarities.
    """

    head: ClassVar[str]

    def __init__(self, *, weight: float, temperature: float) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature

    @property
    def queue(self) -> str | None:
        return self.head

    def logits(self, contrast: Contrast) -> ContrastLogits:
        """All logits over the temperature, `[V, B]` and `[B, K]`; the loss itself never holds the negatives' all at once."""
        return contrast_logits(
            query_ND=contrast.query,
            positive_VND=_stacked(contrast.key),
            negative_KD=self.rows(contrast),
            temperature=self.temperature,
            masked_NK=contrast.own_video,
        )

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.head]
        rows_KD, keys_VBD = self.rows(contrast), _stacked(contrast.key)
        positive_VB = positive_logits(query_ND=contrast.query, positive_VND=keys_VBD, temperature=self.temperature)
        negatives = pool_negatives(query_ND=contrast.query, negative_KD=rows_KD, temperature=self.temperature, masked_NK=contrast.own_video)
        loss = info_nce(positive_VN=positive_VB, negative_logsumexp_N=negatives.logsumexp)
        metrics = contrast_metrics(query_BD=contrast.query, key_BD=keys_VBD[0], queue_KD=rows_KD)
        return TermOutput(loss=loss, metrics={"accuracy": top1_accuracy(positive_VB, negatives.maximum), **metrics})

    def rows(self, contrast: Contrast) -> Tensor:
        """The queue's rows `[K, D]`."""
        if contrast.queue is None:
            raise ValueError(f"the {self.head} term contrasts with a queue, and none came")
        return contrast.queue


def _stacked(keys: Tensor) -> Tensor:
    return keys if keys.dim() == 3 else keys.unsqueeze(0)
