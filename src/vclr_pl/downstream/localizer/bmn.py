"""The Boundary-Matching Network (Lin et al. 2019, arXiv 1907.09702), with mmaction2's parameter names.

Legend: B videos, F features of a snippet, T positions, D durations and S starts (both T), V valid cells, N samples a stretch,
O channels of the three-dimensional part, H of the two-dimensional part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from vclr_pl.downstream.localizer.boundary_matching import BoundaryMatching
from vclr_pl.types import InputError

GROUPS = 4  # of the first convolutions
PUBLISHED_MASK = "sample_mask"  # a constant that mmaction2 keeps among the parameters


@dataclass(frozen=True)
class BoundaryPrediction:
    """Probabilities. The cell (d, s) of the map stands for the stretch from s / T to (s + d + 1) / T."""

    regression: Tensor  # [B, D, S]
    classification: Tensor  # [B, D, S]
    start: Tensor  # [B, T]
    end: Tensor  # [B, T]


class BMN(nn.Module):
    """Features of T positions to the probability that an action starts or ends at each, and to a map over all stretches.

    Args:
        feature_dim: F; filled up with zeros to a multiple of 4, the groups of the first convolution.
        positions: T.
        boundary_ratio: by how much of its length a stretch is widened on each side.
        samples, points_per_sample: what is sampled of a stretch.
        hidden_1d, hidden_2d, hidden_3d: channels; `hidden_1d` a multiple of 4.

    Raises:
        InputError: `hidden_1d` cannot be split into four groups.
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
                remedy="Set localizer.hidden_1d=256.",
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
        """Bool `[D, S]`: the cells whose stretch ends inside the video."""
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
        """`[B, H, D, S]` after `x_3d_p` and the first layer of `x_2d_p`, which maps each cell by itself: so it is asked for the valid
        cells, and once for the one value that all others share."""
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
        """mmaction2's files hold the sampling mask, which is made here: it is left out, so that they load as they are."""
        if isinstance(state_dict, dict):
            state_dict.pop(f"{prefix}{PUBLISHED_MASK}", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _boundary_head(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels, channels, 3, padding=1, groups=GROUPS), nn.ReLU(inplace=True), nn.Conv1d(channels, 1, 1), nn.Sigmoid()
    )
