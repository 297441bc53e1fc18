"""Encoders by name, with the weights of their library: `timm:NAME`, `torchvision:NAME`, `hf:NAME_OR_FOLDER`,
`imagenet:efficientnet_lite0`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vclr_pl.backbone.torchvision_network import torchvision_network
from vclr_pl.features.encoder_file import frozen_timm_network
from vclr_pl.features.sharing import HUB
from vclr_pl.features.transformers_model import pretrained_network
from vclr_pl.types import InputError
from vclr_pl.weights.image_weights import LITE0, fetched_weights, installed_lite0

CLIPS_OF_A_VIDEO = 5  # as VideoMAE's test on Kinetics-400 has (Tong et al. 2022)


@dataclass(frozen=True)
class NamedNetwork:
    """A network with its weights.

    `clip` has frames_per_clip and frame_stride of a network for clips, `view` what is known of the view besides the size.
    """

    network: Any
    origin: str
    clip: Mapping[str, Any]
    view: Mapping[str, Any] = field(default_factory=dict)


def named_network(name: str, *, crop_pixels: int | None) -> NamedNetwork | None:
    """The network that an encoder's name stands for; None where the name has no such beginning, as a path, and for `hf://owner/name`.

    Args:
        crop_pixels: height and width of the frames; None for those that the network was made for.

    Raises:
        InputError: an unknown network, or weights that are neither in the cache nor can be fetched.
    """
    library, colon, rest = name.partition(":")
    make = LIBRARIES.get(library) if colon and not name.startswith(HUB) else None
    return None if make is None else make(rest, crop_pixels)


def _of_timm(name: str, crop_pixels: int | None) -> NamedNetwork:
    network: Any = frozen_timm_network(name=name, input_pixels=crop_pixels)
    network.load_state_dict(fetched_weights(network))
    return NamedNetwork(network=network, origin=f"timm's {name}, pretrained", clip={})


def _of_torchvision(name: str, crop_pixels: int | None) -> NamedNetwork:  # noqa: ARG001
    network = torchvision_network(name=name)
    network.load_state_dict(fetched_weights(network))
    return NamedNetwork(network=network, origin=f"torchvision's {name}, pretrained", clip=network.usual_clip)


def _of_transformers(name: str, crop_pixels: int | None) -> NamedNetwork:  # noqa: ARG001
    network, view = pretrained_network(name)
    clips = {"frames": CLIPS_OF_A_VIDEO} if network.takes_clips else {}
    side = {} if view.short_side_pixels is None else {"short_side_pixels": view.short_side_pixels}
    return NamedNetwork(network=network, origin=f"{name} of transformers", clip=network.usual_clip, view={**clips, **side})


def _of_package(name: str, crop_pixels: int | None) -> NamedNetwork:
    if name != "efficientnet_lite0":
        raise InputError(
            expected="encoder=imagenet:efficientnet_lite0", got=f"encoder=imagenet:{name}", hint="For other networks: encoder=timm:NAME."
        )
    network: Any = frozen_timm_network(name=LITE0, input_pixels=crop_pixels)
    network.load_state_dict(installed_lite0(network))
    return NamedNetwork(network=network, origin="EfficientNet-Lite0, trained on ImageNet", clip={})


LIBRARIES: dict[str, Callable[[str, int | None], NamedNetwork]] = {
    "timm": _of_timm,
    "torchvision": _of_torchvision,
    "hf": _of_transformers,
    "imagenet": _of_package,
}
