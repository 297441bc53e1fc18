"""Shuffle-BN (MoCo, He et al. 2020, section 3.3): keys are normalized among other samples than their queries.

Each rank encodes a random share of the global batch, and the features return to the rank that they belong to.
With one process the batch that batch norm sees is the same in any order, so nothing is moved.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vclr_pl.op.collective import gather_stacked, rank, world_size


def permutation_of(*, size: int, draw: int, seed: int) -> Tensor:
    """The `draw`-th permutation of `size` rows in the stream of `seed`: equal on all ranks without communication."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + draw))


def shuffled_share(rows: Tensor, *, permutation: Tensor) -> Tensor:
    """This rank's rows `[N, ...]` to its share of the permuted global batch `[W N, ...]`."""
    if world_size() == 1:
        return rows
    return gather_stacked(rows).flatten(0, 1)[_share(permutation.to(rows.device, non_blocking=True), len(rows))]


def unshuffled_share(features: Tensor, *, permutation: Tensor) -> Tensor:
    """Features `[N, F]` of the shuffled share to those of this rank's own rows."""
    if world_size() == 1:
        return features
    back = torch.argsort(permutation.to(features.device, non_blocking=True))
    return gather_stacked(features).flatten(0, 1)[_share(back, len(features))]


def _share(permutation: Tensor, rows: int) -> Tensor:
    return permutation[rank() * rows : (rank() + 1) * rows]
