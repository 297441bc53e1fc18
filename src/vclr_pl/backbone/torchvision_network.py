"""Networks of torchvision without a classifier, by name: image networks and transformers for frames, video networks for clips."""

from __future__ import annotations

import difflib
import functools
from typing import Any

import torchvision
from torch import Tensor, nn
from torchvision import models

from vclr_pl.backbone.token_layer import token_layer
from vclr_pl.types import InputError, Normalization

LARGE_CLIPS, CLIPS = {"swin3d_t": 32, "swin3d_s": 32, "swin3d_b": 32}, 16  # frames of a clip in torchvision's evaluation
FRAME_STRIDE = 2
FIXED_SIZE = ("vit", "mvit", "maxvit", "s3d")  # beginnings of names
TOKENS = ("vit", "mvit")
AUXILIARY = ("googlenet", "inception_v3")  # with a second classifier
LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d)


def torchvision_network(*, name: str) -> Any:
    """Frames `[N, 3, H, W]` or clips `[N, 3, T, H, W]` to pooled features `[N, feature_dim]`, with random weights and torchvision's names.

    Args:
        name: of `torchvision.models` or `torchvision.models.video`: `convnext_tiny`, `vit_b_16`, `mvit_v2_s`, `swin3d_t`.

    Raises:
        InputError: torchvision has no such network, or one whose classifier is not a layer at its end.
    """
    takes_clips = name in clip_names()
    if name in AUXILIARY:
        raise _without_last_layer(name)
    if not takes_clips and name not in frame_names():
        near = difflib.get_close_matches(name, [*frame_names(), *clip_names()], n=3, cutoff=0.5)
        hint = f"The nearest: {', '.join(near)}." if near else "torchvision.models.list_models() lists them."
        raise InputError(expected="a network of torchvision.models", got=f"backbone.name={name}", hint=hint)
    network = torchvision.models.get_model(name, weights=None)
    network.feature_dim = without_classifier(network, name=name)
    preset = models.get_model_weights(name).DEFAULT.transforms()
    network.takes_clips = takes_clips
    network.input_normalization = Normalization(mean=tuple(preset.mean), std=tuple(preset.std))
    network.input_pixels, network.takes_any_size = int(preset.crop_size[0]), not name.startswith(FIXED_SIZE)
    network.takes_any_length = not name.startswith("mvit")
    if name.startswith("swin"):
        network.last_stage = ""  # channels last
    elif name.startswith(TOKENS):
        network.last_stage = token_layer(network)
    elif isinstance(getattr(network, "features", None), nn.Sequential):
        network.last_stage = "features"
    network.usual_clip = {"frames_per_clip": LARGE_CLIPS.get(name, CLIPS), "frame_stride": FRAME_STRIDE} if takes_clips else {}
    network.exported_as = {"network": "torchvision", "name": name}
    network.fetch_weights = functools.partial(pretrained_tensors, name)
    return network


def frame_names() -> list[str]:
    """Image networks of torchvision."""
    return list(models.list_models(module=models))


def clip_names() -> list[str]:
    """Video networks of torchvision."""
    return list(models.list_models(module=models.video))


def without_classifier(network: nn.Module, *, name: str) -> int:
    """Replace the last layer of the last child by the identity. Returns the number of its inputs, the features.

    Raises:
        InputError: the network does not end so.
    """
    last, child = list(network.named_children())[-1]
    chain = child if isinstance(child, nn.Sequential) else nn.Sequential(child)
    layer = chain[-1] if len(chain) else None
    if not isinstance(layer, LAYERS):
        raise _without_last_layer(name)
    width = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
    if child is layer:
        setattr(network, last, nn.Identity())
    else:
        chain[-1] = nn.Identity()
    return int(width)


def _without_last_layer(name: str) -> InputError:
    return InputError(
        expected="a network that ends in one linear layer",
        got=f"backbone.name={name}",
        hint=f"Try timm's: backbone=timm backbone.name={name}.",
    )


def pretrained_tensors(name: str) -> dict[str, Tensor]:
    """torchvision's newest weights of the network, from its cache (TORCH_HOME) or the network.

    Raises:
        OSError: no way to the file.
    """
    tensors: dict[str, Tensor] = models.get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True)
    return tensors
