"""The Boundary-Matching Network (BMN, Lin et al. 2019, arXiv 1907.09702), with mmaction2's parameter names.

Legend: B videos, C channels, T positions, D durations and S starts (both T), V cells of the D x S map that end inside the video, N
samples per segment, K points per sample, O outputs, F features of a snippet, V valid cells, O channels of the 3D part, H channels of
the 2D part.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from vclr_pl.types import InputError


@dataclass(frozen=True)
class SamplingMask:
    """The weight of position t in sample n of cell v, as a sparse matrix `[V, N * T]` in CSR format.

    `valid` is true for cells that end inside the video: start + duration < T.
    """

    row_starts: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]  # [D, S]

    def dense(self, *, samples: int) -> npt.NDArray[np.float32]:
        """`[T, N, D, S]`, zero outside the valid cells: 128 MB at the published size, only for tests and inspection."""
        positions = len(self.valid)
        cells = np.repeat(np.flatnonzero(self.valid), np.diff(self.row_starts))
        sample, position = np.divmod(self.columns, positions)
        mask = np.zeros((positions, samples, positions * positions), np.float32)
        mask[position, sample, cells] = self.values
        return mask.reshape(positions, samples, positions, positions)


def sampling_mask(*, positions: int, samples: int, points_per_sample: int, boundary_ratio: float) -> SamplingMask:
    """The sampling mask of Lin et al. 2019 (BMN), section 3.3, with mmaction2's values.

    The cell of start s and duration index d spans positions s to s + d, widened on both sides by `boundary_ratio` (d + 1). N K points
    are evenly spaced on it; each distributes its weight to the two nearest positions, and K neighbors form a sample. A point outside
    the video has no weight, except that a point between -1 and 0 gives its whole weight to position 0, and one past T - 1 gives only the
    part of position T - 1, as in the published code. Computed in float64 and stored in float32, also as there.
    """
    duration_V, start_V = np.nonzero(np.add.outer(np.arange(positions), np.arange(positions)) < positions)
    widened_V = boundary_ratio * (duration_V + 1.0)
    first_V, last_V = start_V - widened_V, start_V + duration_V + widened_V
    step_V = (last_V - first_V) / (samples * points_per_sample - 1.0)
    point_VP = first_V[:, None] + step_V[:, None] * np.arange(samples * points_per_sample)
    below_VP = np.trunc(point_VP)  # toward 0, hence the exception for points between -1 and 0
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
    """Sample every cell from features `[B, C, T]` and map its N x C values to O: the mask's product and the following 3D convolution.

    The published code samples first, into `[B, C, N, D, S]`: at the published size (C 256, N 32, T 100, O 512) 328 MB per video, a
    mask of 128 MB, and 100 GFLOP with the convolution. Both steps are linear, so here the convolution is applied to the T positions
    first, `[N T, B O]`, 6.6 MB per video. Then the sparse mask, 0.48 million values (5.7 MB with column indices, and again transposed
    for the gradient), gathers the V = 5,050 valid cells: 10.3 MB per video, 1.3 GFLOP. No array of size N D S is created.
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
        for name, value in buffers.items():  # computed from four options, so not stored in checkpoints
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(value)), persistent=False)
        self.register_buffer("valid", torch.from_numpy(mask.valid), persistent=False)

    def forward(self, features_BCT: Tensor, weight_OCN: Tensor, bias_O: Tensor) -> Tensor:
        """`[V, B, O]`, the valid cells in the order of `valid_cells` (d S + s). The value of an invalid cell would be `bias_O`."""
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
        return values if values.dtype in (torch.float32, torch.float64) else values.float()  # sparse products do not support 16 bits

    def _by_row(self) -> Tensor:
        size = (len(self.get_buffer("valid_cells")), self.samples * self.positions)
        return _sparse(self.get_buffer("row_starts"), self.get_buffer("columns"), self._values, size=size)

    def _by_column(self) -> Tensor:
        size = (self.samples * self.positions, len(self.get_buffer("valid_cells")))
        values = self.get_buffer("values_by_column").to(self._values.dtype)
        return _sparse(self.get_buffer("column_starts"), self.get_buffer("rows"), values, size=size)


def _sparse(starts: Tensor, places: Tensor, values: Tensor, *, size: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")  # which users cannot avoid
        return torch.sparse_csr_tensor(starts, places, values, size=size, check_invariants=False)


class _SparseProduct(torch.autograd.Function):
    """Product of a constant sparse matrix and a dense one. The backward pass uses the stored transpose."""

    @staticmethod
    def forward(ctx: Any, dense: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ gradient.contiguous(), None, None


GROUPS = 4  # groups of the first convolutions
PUBLISHED_MASK = "sample_mask"  # a constant that mmaction2 stores with the parameters


@dataclass(frozen=True)
class BoundaryPrediction:
    """Probabilities. The cell (d, s) of the map is the segment from s / T to (s + d + 1) / T."""

    regression: Tensor  # [B, D, S]
    classification: Tensor  # [B, D, S]
    start: Tensor  # [B, T]
    end: Tensor  # [B, T]


class BMN(nn.Module):
    """Map features of T positions to start and end probabilities at each position, and to a map over all segments.

    Args:
        feature_dim: F, padded with zeros to a multiple of 4, the groups of the first convolution.
        positions: T.
        boundary_ratio: widening of a segment on each side, as a fraction of its length.
        samples, points_per_sample: samples of a segment, and points averaged for each.
        hidden_1d, hidden_2d, hidden_3d: channels; `hidden_1d` a multiple of 4.

    Raises:
        InputError: `hidden_1d` is not a multiple of 4.
    """

    def __init__(
        self,
        *,
        feature_dim: int,
        positions: int,
        boundary_ratio: float,
        samples: int,
        points_per_sample: int,
        hidden_1d: int,
        hidden_2d: int,
        hidden_3d: int,
    ) -> None:
        super().__init__()
        if hidden_1d % GROUPS:
            raise InputError(
                expected=f"localizer.hidden_1d to be a multiple of {GROUPS}, the groups of the first convolutions",
                got=str(hidden_1d),
                hint="Set localizer.hidden_1d=256.",
            )
        self.feature_dim, self.positions, self.added_features = feature_dim, positions, -feature_dim % GROUPS
        self.x_1d_b = nn.Sequential(
            nn.Conv1d(feature_dim + self.added_features, hidden_1d, 3, padding=1, groups=GROUPS),
            nn.ReLU(inplace=True),
            nn.Conv1d(hidden_1d, hidden_1d, 3, padding=1, groups=GROUPS),
            nn.ReLU(inplace=True),
        )
        self.x_1d_s, self.x_1d_e = _boundary_head(hidden_1d), _boundary_head(hidden_1d)
        self.x_1d_p = nn.Sequential(nn.Conv1d(hidden_1d, hidden_1d, 3, padding=1), nn.ReLU(inplace=True))
        self.x_3d_p = nn.Sequential(nn.Conv3d(hidden_1d, hidden_3d, (samples, 1, 1)), nn.ReLU(inplace=True))
        self.x_2d_p = nn.Sequential(
            nn.Conv2d(hidden_3d, hidden_2d, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden_2d, hidden_2d, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden_2d, hidden_2d, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden_2d, 2, 1),
            nn.Sigmoid(),
        )
        self.matching = BoundaryMatching(
            positions=positions, samples=samples, points_per_sample=points_per_sample, boundary_ratio=boundary_ratio
        )

    @property
    def valid(self) -> Tensor:
        """Bool `[D, S]`: the cells whose segment ends inside the video."""
        return self.matching.get_buffer("valid")

    def forward(self, features_BFT: Tensor) -> BoundaryPrediction:
        """Snippet features `[B, F, T]` to probabilities."""
        described = self.x_1d_b(functional.pad(features_BFT, (0, 0, 0, self.added_features)))
        confidence_B2DS = self.x_2d_p[1:](self._cells(self.x_1d_p(described)))
        return BoundaryPrediction(
            regression=confidence_B2DS[:, 0],
            classification=confidence_B2DS[:, 1],
            start=self.x_1d_s(described).squeeze(1),
            end=self.x_1d_e(described).squeeze(1),
        )

    def _cells(self, features_BCT: Tensor) -> Tensor:
        """`[B, H, D, S]` after `x_3d_p` and the first layer of `x_2d_p`, which maps each cell separately: it is computed for the valid
        cells, and once for the common value of all invalid cells."""
        three, two = self.x_3d_p[0], self.x_2d_p[0]
        assert isinstance(three, nn.Conv3d)
        assert isinstance(two, nn.Conv2d)
        assert three.bias is not None
        weight_HO = two.weight.flatten(1)
        cells_VBO = self.matching(features_BCT, three.weight.flatten(2), three.bias)
        hidden_VBH = functional.linear(functional.relu(cells_VBO), weight_HO, two.bias)
        elsewhere_H = functional.linear(functional.relu(three.bias), weight_HO, two.bias)
        filled = elsewhere_H.expand(len(features_BCT), self.positions**2, -1).to(hidden_VBH.dtype)
        complete = filled.index_copy(1, self.matching.get_buffer("valid_cells"), hidden_VBH.transpose(0, 1))
        return complete.reshape(len(features_BCT), self.positions, self.positions, -1).permute(0, 3, 1, 2)

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *rest: Any) -> None:
        """Drop the sampling mask of mmaction2's files, which is computed here, so that they load unchanged."""
        if isinstance(state_dict, dict):
            state_dict.pop(f"{prefix}{PUBLISHED_MASK}", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _boundary_head(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels, channels, 3, padding=1, groups=GROUPS), nn.ReLU(inplace=True), nn.Conv1d(channels, 1, 1), nn.Sigmoid()
    )
