"""The boundary-matching product: what the network sees of every stretch of a video, as one sparse product.

Legend: B videos, C channels, T positions, D durations and S starts (both T), V cells of the D x S map that end inside the video,
N samples a stretch, K points a sample, O outputs.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SamplingMask:
    """The weight of position t in sample n of cell v, as a sparse matrix `[V, N * T]` in rows.

    `valid` tells which cells end inside the video: those with start + duration < T.
    """

    row_starts: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]  # [D, S]

    def dense(self, *, samples: int) -> npt.NDArray[np.float32]:
        """`[T, N, D, S]`, zero outside the valid cells: 128 MB at the published size, for tests and for the curious."""
        positions = len(self.valid)
        cells = np.repeat(np.flatnonzero(self.valid), np.diff(self.row_starts))
        sample, position = np.divmod(self.columns, positions)
        mask = np.zeros((positions, samples, positions * positions), np.float32)
        mask[position, sample, cells] = self.values
        return mask.reshape(positions, samples, positions, positions)


def sampling_mask(*, positions: int, samples: int, points_per_sample: int, boundary_ratio: float) -> SamplingMask:
    """Lin et al. 2019 (BMN), section 3.3, as mmaction2 builds it, in a few array operations.

    The cell of start s and duration index d spans positions s to s + d, widened on both sides by `boundary_ratio` (d + 1). N K points
    stand at equal distances on it; each gives its weight to the two positions around it, K neighbors make a sample. A point outside
    the video counts for nothing, but one between -1 and 0 gives its whole weight to position 0, and one past T - 1 gives the share of
    position T - 1 alone: so the published code does. Computed in float64, kept in float32, as there.
    """
    duration_V, start_V = np.nonzero(np.add.outer(np.arange(positions), np.arange(positions)) < positions)
    widened_V = boundary_ratio * (duration_V + 1.0)
    first_V, last_V = start_V - widened_V, start_V + duration_V + widened_V
    step_V = (last_V - first_V) / (samples * points_per_sample - 1.0)
    point_VP = first_V[:, None] + step_V[:, None] * np.arange(samples * points_per_sample)
    below_VP = np.trunc(point_VP)  # toward 0, hence the rule about -1 to 0
    share_VP = point_VP - below_VP
    place_VP2 = np.stack([below_VP, np.ceil(point_VP)], axis=-1).astype(np.int64)
    weight_VP2 = np.stack([1.0 - share_VP, share_VP], axis=-1)
    counts_VP2 = (place_VP2 >= 0) & (place_VP2 < positions) & (weight_VP2 != 0.0)
    sample_P = np.arange(samples * points_per_sample) // points_per_sample
    column_VP2 = sample_P[:, None] * positions + place_VP2
    key_VP2 = np.arange(len(start_V))[:, None, None] * (samples * positions) + column_VP2
    keys, inverse = np.unique(key_VP2[counts_VP2], return_inverse=True)
    values = 1.0 / points_per_sample * np.bincount(inverse, weights=weight_VP2[counts_VP2])
    rows, columns = np.divmod(keys, samples * positions)
    valid_DS = np.zeros((positions, positions), bool)
    valid_DS[duration_V, start_V] = True
    row_starts = np.searchsorted(rows, np.arange(len(start_V) + 1))
    return SamplingMask(row_starts=row_starts, columns=columns, values=values.astype(np.float32), valid=valid_DS)


class BoundaryMatching(nn.Module):
    """Samples every cell from features `[B, C, T]` and maps its N x C numbers to O: the mask's product and the 3D convolution after it.

    The published order samples first, into `[B, C, N, D, S]`: at the published size (C 256, N 32, T 100, O 512) 328 MB a video beside a
    mask of 128 MB, and 100 GFLOP with the convolution. Both steps are linear, so here the convolution's weights meet the T positions
    first, `[N T, B O]`, 6.6 MB a video, and the sparse mask, 0.48 million numbers (5.7 MB with their columns, and once more in columns
    for the gradient), gathers them at the V = 5,050 valid cells: 10.3 MB a video, 1.3 GFLOP. Nothing of size N D S is ever made.
    """

    def __init__(self, *, positions: int, samples: int, points_per_sample: int, boundary_ratio: float) -> None:
        super().__init__()
        self.positions, self.samples = positions, samples
        mask = sampling_mask(positions=positions, samples=samples, points_per_sample=points_per_sample, boundary_ratio=boundary_ratio)
        cells, columns = len(mask.row_starts) - 1, samples * positions
        rows = np.repeat(np.arange(cells), np.diff(mask.row_starts))
        order = np.lexsort((rows, mask.columns))
        column_starts = np.searchsorted(mask.columns[order], np.arange(columns + 1))
        buffers = {
            "valid_cells": np.flatnonzero(mask.valid),
            "row_starts": mask.row_starts,
            "columns": mask.columns,
            "values": mask.values,
            "column_starts": column_starts,
            "rows": rows[order],
            "values_by_column": mask.values[order],
        }
        for name, value in buffers.items():  # made from four figures, so no checkpoint needs them
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(value)), persistent=False)
        self.register_buffer("valid", torch.from_numpy(mask.valid), persistent=False)

    def forward(self, features_BCT: Tensor, weight_OCN: Tensor, bias_O: Tensor) -> Tensor:
        """`[V, B, O]`, the valid cells in the order of `valid_cells` (d S + s); an invalid one would read `bias_O`."""
        videos, outputs = len(features_BCT), len(weight_OCN)
        by_sample = weight_OCN.permute(2, 0, 1).flatten(0, 1) @ features_BCT  # [B, N O, T]
        columns = (
            by_sample.reshape(videos, self.samples, outputs, self.positions).permute(1, 3, 0, 2).reshape(self.samples * self.positions, -1)
        )
        with torch.autocast(features_BCT.device.type, enabled=False):
            cells: Tensor = _SparseProduct.apply(columns.to(self._values.dtype), self._by_row(), self._by_column())
        return cells.reshape(-1, videos, outputs) + bias_O

    @property
    def _values(self) -> Tensor:
        values = self.get_buffer("values")
        return values if values.dtype in (torch.float32, torch.float64) else values.float()  # no sparse product in 16 bits

    def _by_row(self) -> Tensor:
        size = (len(self.get_buffer("valid_cells")), self.samples * self.positions)
        return _sparse(self.get_buffer("row_starts"), self.get_buffer("columns"), self._values, size=size)

    def _by_column(self) -> Tensor:
        size = (self.samples * self.positions, len(self.get_buffer("valid_cells")))
        values = self.get_buffer("values_by_column").to(self._values.dtype)
        return _sparse(self.get_buffer("column_starts"), self.get_buffer("rows"), values, size=size)


def _sparse(starts: Tensor, places: Tensor, values: Tensor, *, size: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")  # which a user cannot mend
        return torch.sparse_csr_tensor(starts, places, values, size=size, check_invariants=False)


class _SparseProduct(torch.autograd.Function):
    """A constant sparse matrix times a dense one; its transpose, kept beside it, leads the gradient back."""

    @staticmethod
    def forward(ctx: Any, dense: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ gradient.contiguous(), None, None
