"""torchvision's ResNets without their classifier: the paper's backbone is `resnet50`."""

from __future__ import annotations

from typing import Any

import torchvision
from torch import nn

from vclr_pl.types import InputError

NAMES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def resnet(*, name: str) -> Any:
    """Frames `[N, 3, H, W]` to pooled features `[N, feature_dim]`; parameters bear torchvision's names.

    Raises:
        InputError: when `name` is not one of torchvision's ResNets.
    """
    if name not in NAMES:
        raise InputError(expected=f"one of {', '.join(NAMES)}", got=f"backbone.name={name}", hint="Choose one of them.")
    network = torchvision.models.get_model(name, weights=None)
    network.feature_dim = network.fc.in_features
    network.fc = nn.Identity()
    network.takes_clips = False
    return network
