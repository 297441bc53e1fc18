"""torchvision's 3D networks without their classifier: clips instead of frames, the same objective."""

from __future__ import annotations

from typing import Any

import torchvision
from torch import nn

from vclr_pl.types import InputError

NAMES = ("r3d_18", "mc3_18", "r2plus1d_18")


def clip_network(*, name: str) -> Any:
    """Clips `[N, 3, T, H, W]` to pooled features `[N, feature_dim]`; parameters bear torchvision's names.

    Raises:
        InputError: when `name` is not one of torchvision's video ResNets.
    """
    if name not in NAMES:
        raise InputError(expected=f"one of {', '.join(NAMES)}", got=f"backbone.name={name}", hint="Choose one of them.")
    network = torchvision.models.get_model(name, weights=None)
    network.feature_dim = network.fc.in_features
    network.fc = nn.Identity()
    network.takes_clips = True
    return network
