"""BMN's targets and its three losses (Lin et al. 2019, section 3.4), with mmaction2's constants.

Legend: B videos, T positions, D durations and S starts (both T), A true segments of a video; a segment is (start, end) as fractions of
the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vclr_pl.localization.bmn import BoundaryPrediction
from vclr_pl.localization.scores import overlap_fraction, temporal_iou
from vclr_pl.op.contrast import at_least_float32

ANCHOR_OFFSETS = (-0.5, 1.5)  # the anchor of position i is the interval from (i - 0.5) / T to (i + 1.5) / T


@dataclass(frozen=True)
class BoundaryLabels:
    """float32: tIoU of each cell with the best true segment, and the fraction of each anchor inside a boundary region.

    The map includes cells that end outside the video, as published; the losses ignore them.
    """

    tiou: Tensor  # [B, D, S]
    start: Tensor  # [B, T]
    end: Tensor  # [B, T]


class BoundaryMap(nn.Module):
    """Targets of batches. Anchors and cells are computed once.

    Args:
        positions: T.
        window_positions: width of the boundary region around a true boundary, in positions (published: 3).
    """

    def __init__(self, *, positions: int, window_positions: float) -> None:
        super().__init__()
        self.positions, self.window_positions = positions, window_positions
        step = torch.arange(positions, dtype=torch.float64)
        duration, start = torch.meshgrid(step, step, indexing="ij")
        first = start * (1.0 / positions)
        cells_C2 = torch.stack([first, first + (duration + 1) * (1.0 / positions)], dim=-1).flatten(0, 1)
        anchors_T2 = torch.stack([(step + offset) * (1.0 / positions) for offset in ANCHOR_OFFSETS], dim=-1)
        self.register_buffer("cells_C2", cells_C2, persistent=False)
        self.register_buffer("anchors_T2", anchors_T2, persistent=False)

    def forward(self, segments: Sequence[Tensor]) -> BoundaryLabels:
        """Targets from the true segments `[A, 2]` of each video, A may be 0; computed in float64, returned in float32."""
        anchors_T2 = self.get_buffer("anchors_T2").double()
        labels = [self._of_video(segments_A2.to(anchors_T2)) for segments_A2 in segments]
        tiou, start, end = (torch.stack(parts).float() for parts in zip(*labels, strict=True))
        return BoundaryLabels(tiou=tiou, start=start, end=end)

    def _of_video(self, segments_A2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cells_C2, anchors_T2 = self.get_buffer("cells_C2").double(), self.get_buffer("anchors_T2").double()
        if not len(segments_A2):
            nothing_T = anchors_T2.new_zeros(self.positions)
            return nothing_T.expand(self.positions, -1), nothing_T, nothing_T
        tiou_C = temporal_iou(first_M2=cells_C2, second_N2=segments_A2).amax(dim=1)
        half = self.window_positions * (1.0 / self.positions) / 2
        around = [torch.stack([boundary_A - half, boundary_A + half], dim=1) for boundary_A in segments_A2.unbind(dim=1)]
        start_T, end_T = (overlap_fraction(first_M2=anchors_T2, second_N2=window_A2).amax(dim=1) for window_A2 in around)
        return tiou_C.reshape(self.positions, self.positions), start_T, end_T


ALMOST_NOTHING = 1e-5  # added to keep logarithms finite, as published


@dataclass(frozen=True)
class LocalizationLosses:
    """Unweighted losses, and their weighted sum."""

    boundary: Tensor
    regression: Tensor
    classification: Tensor
    total: Tensor


class BMNLoss:
    """Weighted sum of boundary, regression and classification loss.

    Args:
        boundary_weight, regression_weight, classification_weight: published 1, 10, 1.
        boundary_threshold: an anchor above this is a boundary (0.5).
        high_tiou, low_tiou: limits of the regression's three groups of cells (0.7, 0.3).
        classification_threshold: a cell above this tIoU is a positive (0.9).
        balance_range: bounds of the ratio of entries to positives, which balances the two classes (1.05, 21).
    """

    def __init__(
        self,
        *,
        boundary_weight: float,
        regression_weight: float,
        classification_weight: float,
        boundary_threshold: float,
        high_tiou: float,
        low_tiou: float,
        classification_threshold: float,
        balance_range: tuple[float, float],
    ) -> None:
        self.boundary_weight, self.regression_weight, self.classification_weight = boundary_weight, regression_weight, classification_weight
        self.boundary_threshold, self.classification_threshold = boundary_threshold, classification_threshold
        self.high_tiou, self.low_tiou = high_tiou, low_tiou
        self.balance_range = (balance_range[0], balance_range[1])

    def __call__(
        self, prediction: BoundaryPrediction, labels: BoundaryLabels, *, valid_DS: Tensor, uniform_2BDS: Tensor
    ) -> LocalizationLosses:
        """
        Args:
            valid_DS: bool, cells that end inside the video.
            uniform_2BDS: uniform draws in [0, 1) to sample cells of middle and low tIoU.
        """
        tiou_BDS = labels.tiou * valid_DS
        boundary = sum(
            balanced_logistic(
                probability=at_least_float32(said), positive=label > self.boundary_threshold, balance_range=self.balance_range
            )
            for said, label in ((prediction.start, labels.start), (prediction.end, labels.end))
        )
        assert isinstance(boundary, Tensor)
        regression = sampled_regression(
            predicted_BDS=at_least_float32(prediction.regression),
            tiou_BDS=tiou_BDS,
            uniform_2BDS=uniform_2BDS,
            high_tiou=self.high_tiou,
            low_tiou=self.low_tiou,
        )
        classification = balanced_logistic(
            probability=at_least_float32(prediction.classification),
            positive=tiou_BDS > self.classification_threshold,
            balance_range=self.balance_range,
            counted=valid_DS.expand_as(tiou_BDS),
        )
        weighted = (self.boundary_weight * boundary, self.regression_weight * regression, self.classification_weight * classification)
        total = weighted[0] + weighted[1] + weighted[2]
        return LocalizationLosses(boundary=boundary, regression=regression, classification=classification, total=total)


def balanced_logistic(
    *, probability: Tensor, positive: Tensor, balance_range: tuple[float, float], counted: Tensor | None = None
) -> Tensor:
    """Logistic loss with balanced positives and negatives, within bounds; the mean over the counted entries.

    With r = entries / positives, limited to `balance_range`, a positive has weight r / 2 and a negative r / (2 (r - 1)). A batch
    without positives is treated as if it had one, to avoid a division by zero.

    Args:
        probability: of any shape.
        positive: bool, of the same shape.
        counted: bool; None counts every entry. Positives must be among them.
    """
    others = ~positive if counted is None else counted & ~positive
    positives = positive.sum().clamp(min=1)
    if counted is None:  # bit-identical to the published code: always in float32, by a reciprocal
        entries = torch.full_like(positives, positive.numel(), dtype=torch.float32)
        ratio = entries * positives.float().reciprocal()
    else:
        entries = (positives + others.sum()).to(probability.dtype)
        ratio = entries / positives
    ratio = ratio.clamp(*balance_range)
    on_positives = 0.5 * ratio * positive * torch.log(probability + ALMOST_NOTHING)
    on_others = 0.5 * ratio / (ratio - 1) * others * torch.log(1.0 - probability + ALMOST_NOTHING)
    return -(on_positives + on_others).sum() / entries


def sampled_regression(*, predicted_BDS: Tensor, tiou_BDS: Tensor, uniform_2BDS: Tensor, high_tiou: float, low_tiou: float) -> Tensor:
    """Half the mean squared error over all cells of high tIoU, and about as many of middle and of low tIoU, sampled by `uniform_2BDS`.

    Cells of tIoU 0 are excluded. A group with no more cells than the high group is used completely; without
    cells of high tIoU the loss is 0. (mmaction2 divides by the size of a group and of all groups: an empty group gives NaN, and a
    group smaller than the high one selects every cell of the map. This does not happen on ActivityNet, but with few videos.)
    """
    high = tiou_BDS > high_tiou
    middle = (tiou_BDS <= high_tiou) & (tiou_BDS > low_tiou)
    low = (tiou_BDS <= low_tiou) & (tiou_BDS > 0.0)
    taken = high
    for group, uniform_BDS in zip((middle, low), uniform_2BDS, strict=True):
        share = high.sum().to(uniform_BDS.dtype) / group.sum().clamp(min=1)
        taken = taken | (group & (uniform_BDS > 1.0 - share))
    mean_squared = ((predicted_BDS - tiou_BDS).square() * taken).mean().float()
    # as published: the mean is summed over the map, always in float32. The rounding of this sum is part of the reference values.
    summed = (mean_squared * torch.ones(taken.shape, device=taken.device)).sum()
    return 0.5 * summed / taken.sum().clamp(min=1)
