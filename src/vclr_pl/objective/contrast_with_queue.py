"""A query against its positives, with a queue's rows as negatives: what the inter-frame and the segment term share.

Legend: B videos, V positives a query, K queue rows, D projection.
"""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from vclr_pl.op.info_nce import ContrastLogits, contrast_logits, info_nce, top1_accuracy
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
        """Logits over the temperature, `[V, B]` and `[B, K]`."""
        if contrast.queue is None:
            raise ValueError(f"the {self.head} term contrasts with a queue, and none came")
        positive_VBD = contrast.key if contrast.key.dim() == 3 else contrast.key.unsqueeze(0)
        return contrast_logits(
            query_ND=contrast.query,
            positive_VND=positive_VBD,
            negative_KD=contrast.queue,
            temperature=self.temperature,
            masked_NK=contrast.own_video,
        )

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.head]
        logits = self.logits(contrast)
        nearest_key_BD = contrast.key[0] if contrast.key.dim() == 3 else contrast.key
        assert contrast.queue is not None
        metrics = contrast_metrics(query_BD=contrast.query, key_BD=nearest_key_BD, queue_KD=contrast.queue)
        return TermOutput(loss=info_nce(logits), metrics={"accuracy": top1_accuracy(logits), **metrics})
