"""torchvision's networks without their classifier: ResNets for frames, the paper's `resnet50` among them, and 3D ResNets for clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torchvision
from torch import nn

from vclr_pl.types import InputError

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
CLIP_NETWORKS = ("r3d_18", "mc3_18", "r2plus1d_18")


def resnet(*, name: str) -> Any:
    """Frames `[N, 3, H, W]` to pooled features `[N, feature_dim]`; parameters have torchvision's names.

    Raises:
        InputError: `name` is not one of `RESNETS`.
    """
    network = _without_classifier(name, known=RESNETS)
    network.takes_clips, network.exported_as = False, {"network": "resnet", "name": name}
    return network


def clip_network(*, name: str) -> Any:
    """Clips `[N, 3, T, H, W]` to pooled features `[N, feature_dim]`; parameters have torchvision's names.

    Raises:
        InputError: `name` is not one of `CLIP_NETWORKS`.
    """
    network = _without_classifier(name, known=CLIP_NETWORKS)
    network.takes_clips, network.exported_as = True, {"network": "clip_network", "name": name}
    return network


def _without_classifier(name: str, *, known: Sequence[str]) -> Any:
    if name not in known:
        raise InputError(expected=f"one of {', '.join(known)}", got=f"backbone.name={name}", hint="Choose one of them.")
    network = torchvision.models.get_model(name, weights=None)
    network.feature_dim = network.fc.in_features
    network.fc = nn.Identity()
    return network
