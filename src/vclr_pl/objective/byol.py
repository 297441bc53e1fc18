"""Prediction of the key's projection, without negatives (BYOL, Grill et al. 2020, arXiv 2006.07733).

Legend: B videos, D projection.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from vclr_pl.op.contrast import at_least_float32, contrast_metrics, unit_norm
from vclr_pl.types import Contrast, InputError, Projections, TermNeeds, TermOutput


class Byol(nn.Module):
    """BYOL on tuples of frames: a predictor maps the query's projection to that of the key (section 3.1, eq. 2).

    The mean of a tuple's features is projected, as in the segment contrast: query and key `[B, D]`. The loss is the squared distance of
    both at unit norm, `2 - 2 cos(predictor(query), key)`, from 0 to 4. The key comes from the momentum encoder and gets no gradient.
    There are no negatives and no queue.

    The predictor is Linear(D, H), batch norm, ReLU, Linear(H, D), as in the paper. It is part of the objective: trained with it, stored in
    checkpoints, and absent from the exported backbone. Batch norm in the predictor and in the head works against collapse;
    `objective=byol` chooses `head=mlp_batch_norm`. Its statistics are those of the device's batch; the paper's are those of all devices.

    The paper also predicts the other way, the query's projection from the key's, and sums both losses. Here the loss has one direction:
    in a step the query encoder encodes the query tuple only, and the other direction would need a second pass over the key tuple.

    Args:
        weight: factor of this term in the sum.
        dim: D of the head.
        hidden_dim: H.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="byol", head_input="tuple_mean", unit_norm=False)

    def __init__(self, *, weight: float, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.weight = weight
        self.predictor = nn.Sequential(
            nn.Linear(dim, hidden_dim), nn.BatchNorm1d(hidden_dim), nn.ReLU(inplace=True), nn.Linear(hidden_dim, dim)
        )

    def predictions(self, contrast: Contrast) -> Tensor:
        """The predictor's output for the queries, `[B, D]`, not normalized.

        Raises:
            InputError: in training, a batch of one video, of which batch norm has no statistics.
        """
        if self.training and len(contrast.query) < 2:
            raise InputError(
                expected="at least two videos on each device for the batch norm of the term byol",
                got="one",
                hint="Set loader.batch_size=2 or more.",
            )
        predicted_BD: Tensor = self.predictor(contrast.query)
        return predicted_BD

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.needs.head]
        prediction_BD, key_BD = unit_norm(self.predictions(contrast)), unit_norm(contrast.key.detach())
        with torch.autocast(prediction_BD.device.type, enabled=False):
            loss = (2.0 - 2.0 * (prediction_BD * key_BD).sum(1)).mean()
        return TermOutput(loss=loss, metrics=contrast_metrics(query_BD=prediction_BD, key_BD=at_least_float32(key_BD)))
