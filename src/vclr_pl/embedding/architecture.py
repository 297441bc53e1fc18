"""Which network a file's tensors are of: as the file says, or read off their names and shapes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vclr_pl.types import InputError

TRUSTED = "vclr_pl.backbone."
# blocks in layer1 to layer4, and whether a block has three convolutions
RESNETS: dict[tuple[tuple[int, ...], bool], str] = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}


def build_backbone(architecture: Mapping[str, Any]) -> nn.Module:
    """The network that a file describes: `_target_` and its keyword arguments.

    Only networks of this package are built: a description comes with a file from anywhere, and a call to any other name could do
    anything.

    Raises:
        InputError: when the description calls something else, or does not fit it.
    """
    arguments = dict(architecture)
    target = str(arguments.pop("_target_", ""))
    if not target.startswith(TRUSTED):
        raise InputError(
            expected=f"an encoder whose network is one of {TRUSTED}*",
            got=target or "a description without a name",
            remedy="Give the network yourself: backbone=... on the command line, load_encoder(..., backbone=module) in Python.",
        )
    module, _, name = target.rpartition(".")
    try:
        network: nn.Module = getattr(importlib.import_module(module), name)(
            **{key: value for key, value in arguments.items() if not key.startswith("_")}
        )
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(
            expected=f"a network that {target} can build", got=str(error), remedy="Was the file made by a newer version of vclr_pl?"
        ) from error
    return network


def recognize_architecture(tensors: Mapping[str, Tensor], *, path: str) -> dict[str, Any]:
    """The description of a torchvision ResNet, from its parameters' names.

    Raises:
        InputError: when the tensors are of no such network.
    """
    blocks = tuple(len({name.split(".")[1] for name in tensors if name.startswith(f"layer{stage}.")}) for stage in (1, 2, 3, 4))
    stem = tensors.get("conv1.weight")
    name = RESNETS.get((blocks, "layer1.0.conv3.weight" in tensors)) if stem is not None and stem.dim() == 4 else None
    if name is None:
        raise InputError(
            expected="a file that says which network it holds, or one of torchvision's ResNets",
            got=f"{path} with {', '.join(list(tensors)[:3]) or 'no tensors'}, ...",
            remedy="Give the run folder instead of the checkpoint alone, or name the network: backbone=...",
        )
    return {"_target_": "vclr_pl.backbone.resnet2d.resnet", "name": name}
