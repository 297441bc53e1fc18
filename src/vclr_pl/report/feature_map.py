"""The map of features: which videos it shows, and where.

Legend: N videos, F features.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy.sparse.linalg import svds
from torch import Tensor

from vclr_pl.files import evenly_spaced
from vclr_pl.types import FeatureTable

Place = tuple[str, int]  # role of a table, and the row of it
FULL_DECOMPOSITION = 200  # rows or columns, up to which all components are computed
LEAST_POINTS = 3


def mapped_places(tables: Mapping[str, FeatureTable], *, most: int) -> tuple[Place, ...]:
    """All rows of the tables, or `most` of them, evenly spaced in each table; the last table has at most half of the points."""
    *first, last = tables
    rows = {last: evenly_spaced(len(tables[last]), most if not first else max(most // 2, most - sum(len(tables[role]) for role in first)))}
    for role in first:
        rows[role] = evenly_spaced(len(tables[role]), most - sum(map(len, rows.values())))
    return tuple((role, row) for role in tables for row in rows[role])


def feature_map(
    places: tuple[Place, ...], tables: Mapping[str, FeatureTable], what: str = "videos"
) -> tuple[list[tuple[float, float]], str]:
    """Position of each place, 0 to 1 on both axes, and what the map shows in words; no positions for fewer than three places."""
    if len(places) < LEAST_POINTS:
        return [], ""
    features_NF = torch.stack([tables[role].features[row] for role, row in places])
    positions_N2, share = principal_components(features_NF)
    total = sum(map(len, tables.values()))
    which = (
        f"all {total} {what}" if len(places) == total else f"{len(places)} of {total} {what}, evenly spaced in the list (page.map_points)"
    )
    return [
        (x, y) for x, y in positions_N2.tolist()
    ], f"First two principal components (PCA) of {which}, with {share:.0f}% of the variance."


def principal_components(features_NF: Tensor) -> tuple[Tensor, float]:
    """Project features to `[N, 2]` in 0 to 1; also return the explained variance of the two components, percent.

    PCA of features scaled to unit length, as for the cosine. The sign of a component makes its largest loading positive, so
    equal features give equal maps.
    """
    unit_NF = torch.nn.functional.normalize(features_NF.double(), dim=1)
    centered_NF = unit_NF - unit_NF.mean(dim=0)
    total = float((centered_NF**2).sum())
    if total < 1e-18 * len(centered_NF):
        return torch.full((len(centered_NF), 2), 0.5, dtype=torch.float64), 0.0
    direction_2F, values_2 = _first_directions(centered_NF)
    signs = direction_2F.gather(1, direction_2F.abs().argmax(dim=1, keepdim=True)).sign()
    place_N2 = centered_NF @ (direction_2F * signs).T
    if place_N2.shape[1] < 2:
        place_N2 = torch.cat((place_N2, torch.zeros(len(place_N2), 2 - place_N2.shape[1])), dim=1)
    low, high = place_N2.amin(dim=0), place_N2.amax(dim=0)
    share = 100 * float((values_2**2).sum()) / total
    return torch.where(high - low > 1e-12, (place_N2 - low) / (high - low).clamp(min=1e-12), torch.full_like(place_N2, 0.5)), share


def _first_directions(centered_NF: Tensor) -> tuple[Tensor, Tensor]:
    """The first two right singular vectors and values, or as many as there are. ARPACK computes only these of a large table."""
    if min(centered_NF.shape) <= FULL_DECOMPOSITION:
        _, values, direction_KF = torch.linalg.svd(centered_NF, full_matrices=False)
        return direction_KF[:2], values[:2]
    start = torch.linspace(1, 2, min(centered_NF.shape), dtype=torch.float64).numpy()
    _, values, directions = svds(centered_NF.numpy(), k=2, v0=start, return_singular_vectors="vh")  # ascending
    return torch.from_numpy(directions[::-1].copy()), torch.from_numpy(values[::-1].copy())
