"""Features in two dimensions, to be looked at.

Legend: N videos, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor


def principal_components(features_NF: Tensor) -> tuple[Tensor, float]:
    """`[N, 2]` in 0 to 1, and the share in percent of all variance that the two directions hold.

    PCA of features scaled to unit length, as the cosine sees them. A direction's sign is fixed, its largest loading positive, so
    that equal features give equal maps.
    """
    unit_NF = torch.nn.functional.normalize(features_NF.double(), dim=1)
    centered_NF = unit_NF - unit_NF.mean(dim=0)
    _, values, direction_KF = torch.linalg.svd(centered_NF, full_matrices=False)
    direction_2F = direction_KF[:2]
    signs = direction_2F.gather(1, direction_2F.abs().argmax(dim=1, keepdim=True)).sign()
    place_N2 = centered_NF @ (direction_2F * signs).T
    if place_N2.shape[1] < 2:
        place_N2 = torch.cat((place_N2, torch.zeros(len(place_N2), 2 - place_N2.shape[1])), dim=1)
    low, high = place_N2.amin(dim=0), place_N2.amax(dim=0)
    total = float((values**2).sum())
    share = 100 * float((values[:2] ** 2).sum()) / total if total > 0 else 0.0
    return torch.where(high - low > 1e-12, (place_N2 - low) / (high - low).clamp(min=1e-12), torch.full_like(place_N2, 0.5)), share
