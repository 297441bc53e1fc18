"""The segment consensus of a video: the mean of its segments' features (TSN, Wang et al. 2016, eq. 1)."""

from __future__ import annotations

from torch import Tensor


def segment_consensus(features_BSF: Tensor) -> Tensor:
    """`[B, S, F]` to `[B, F]`."""
    return features_BSF.mean(1)
