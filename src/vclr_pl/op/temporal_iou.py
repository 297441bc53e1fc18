"""Overlap of stretches of time.

Legend: M first stretches, N second ones; a stretch is (start, end) in any unit.
"""

from __future__ import annotations

import torch
from torch import Tensor


def intersection(*, first_M2: Tensor, second_N2: Tensor) -> Tensor:
    """`[M, N]` length that each first stretch has in common with each second one, 0 where they are apart."""
    start_MN = torch.maximum(first_M2[:, None, 0], second_N2[None, :, 0])
    end_MN = torch.minimum(first_M2[:, None, 1], second_N2[None, :, 1])
    return (end_MN - start_MN).clamp(min=0)


def temporal_iou(*, first_M2: Tensor, second_N2: Tensor) -> Tensor:
    """`[M, N]` intersection over union (tIoU); 0 where the union is empty."""
    common_MN = intersection(first_M2=first_M2, second_N2=second_N2)
    union_MN = (first_M2[:, 1] - first_M2[:, 0])[:, None] + (second_N2[:, 1] - second_N2[:, 0])[None] - common_MN
    return torch.where(union_MN > 0, common_MN / union_MN.where(union_MN > 0, torch.ones_like(union_MN)), torch.zeros_like(union_MN))


def overlap_fraction(*, first_M2: Tensor, second_N2: Tensor) -> Tensor:
    """`[M, N]` intersection over the length of the first stretch, which must be above 0."""
    return intersection(first_M2=first_M2, second_N2=second_N2) / (first_M2[:, 1] - first_M2[:, 0])[:, None]
