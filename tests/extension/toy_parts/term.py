"""A term of the objective with a head and a queue of its own."""

from __future__ import annotations

from torch import nn

from vclr_pl.types import Projections, TermNeeds, TermOutput


class HardestNegative(nn.Module):
    """Triplet loss: two tuples of a video are more similar, by a margin, than the query and the hardest negative of the queue."""

    needs = TermNeeds(head="triplet", head_input="tuple_mean", unit_norm=True, queue="triplet")

    def __init__(self, *, weight: float, margin: float) -> None:
        super().__init__()
        self.weight, self.margin = weight, margin

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head["triplet"]  # B videos, D projection, K queue rows
        positive_B = (contrast.query * contrast.key).sum(dim=1)
        hardest_B = (contrast.query @ contrast.queue.T).amax(dim=1)
        shortfall_B = (hardest_B + self.margin - positive_B).relu()
        return TermOutput(loss=shortfall_B.mean(), metrics={"violations": 100.0 * (shortfall_B.detach() > 0).float().mean()})
