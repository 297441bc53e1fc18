"""The contrastive terms: inter-frame, intra-frame and segment contrast (VCLR sections 3.2 and 3.3; SeCo, Yao et al. 2021).

Legend: B videos, S segments, V positives a query, K queue rows, D projection.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from vclr_pl.op.contrast import ContrastLogits, contrast_logits, contrast_metrics, info_nce, pool_negatives, positive_logits, top1_accuracy
from vclr_pl.types import Contrast, Projections, TermNeeds, TermOutput


class ContrastWithQueue(nn.Module):
    """InfoNCE of the queries against their positives, with the rows of a queue as negatives.

    A subclass declares `needs`, with a queue.

    Args:
        weight: factor of this term in the sum.
        temperature: divisor of the cosine similarities.
    """

    needs: ClassVar[TermNeeds]

    def __init__(self, *, weight: float, temperature: float) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature

    def logits(self, contrast: Contrast) -> ContrastLogits:
        """All logits over the temperature, `[V, B]` and `[B, K]`; `forward` never stores all negative logits at once."""
        return contrast_logits(
            query_ND=contrast.query,
            positive_VND=_stacked(contrast.key),
            negative_KD=self.rows(contrast),
            temperature=self.temperature,
            masked_NK=contrast.own_video,
        )

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.needs.head]
        rows_KD, keys_VBD = self.rows(contrast), _stacked(contrast.key)
        positive_VB = positive_logits(query_ND=contrast.query, positive_VND=keys_VBD, temperature=self.temperature)
        negatives = pool_negatives(query_ND=contrast.query, negative_KD=rows_KD, temperature=self.temperature, masked_NK=contrast.own_video)
        loss = info_nce(positive_VN=positive_VB, negative_logsumexp_N=negatives.logsumexp)
        metrics = contrast_metrics(query_BD=contrast.query, key_BD=keys_VBD[0], queue_KD=rows_KD)
        return TermOutput(loss=loss, metrics={"accuracy": top1_accuracy(positive_VB, negatives.maximum), **metrics})

    def rows(self, contrast: Contrast) -> Tensor:
        """The queue's rows `[K, D]`."""
        if contrast.queue is None:
            raise ValueError(f"{type(self).__name__} needs the rows of the queue {self.needs.queue}, and got none")
        return contrast.queue


class InterFrame(ContrastWithQueue):
    """Inter-frame instance discrimination: the anchor against frames of its own video, frames of other videos as negatives.

    The positives are the anchor's second augmentation and the query frames of the other segments, all from the momentum
    encoder: query `[B, D]`, keys `[S, B, D]`, queue `[K, D]`. S segments give S positives and S B logit rows.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="inter", head_input="frames", unit_norm=True, queue="inter")


class SegmentContrast(ContrastWithQueue):
    """Segment contrast, the paper's own term: two tuples of frames of one video are positives.

    Each tuple is one frame of every segment, so that both cover the whole video. The mean of a tuple's features is projected:
    query and key `[B, D]`, queue `[K, D]`.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="segment", head_input="tuple_mean", unit_norm=True, queue="segment")


class IntraFrame(nn.Module):
    """Intra-frame discrimination: the anchor against its own second augmentation, frames of the same video as negatives.

    Query `[B, D]`, keys `[S, B, D]`, the second augmentation first. Each of the S - 1 other query frames gives a row of two
    logits, the positive first.

    Args:
        weight: factor of this term in the sum.
        temperature: divisor of the cosine similarities.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="intra", head_input="frames", unit_norm=True)

    def __init__(self, *, weight: float, temperature: float) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature

    def logits(self, contrast: Contrast) -> ContrastLogits:
        """Positive `[S - 1, B]` (the same one in each row) and negative `[S - 1, B, 1]`."""
        similarity_SB = (contrast.query * contrast.key).sum(-1) / self.temperature
        others_SB = similarity_SB[1:]
        return ContrastLogits(positive=similarity_SB[:1].expand_as(others_SB), negative=others_SB.unsqueeze(-1))

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.needs.head]
        logits = self.logits(contrast)
        other_SB = logits.negative.squeeze(-1)
        loss = info_nce(positive_VN=logits.positive, negative_logsumexp_N=other_SB)
        return TermOutput(loss=loss, metrics={"accuracy": top1_accuracy(logits.positive, other_SB)})


def _stacked(keys: Tensor) -> Tensor:
    return keys if keys.dim() == 3 else keys.unsqueeze(0)
