"""Networks of timm for frames: convolutional networks, ConvNeXts, vision transformers.

The library gives each its input size, its normalization and its pooling.
"""

from __future__ import annotations

import difflib
import functools
from typing import Any

import timm
import torch
from timm.data.config import resolve_model_data_config
from timm.models import get_pretrained_cfg
from torch import Tensor

from vclr_pl.backbone.hub_cache import cache_alone_without_network, network_errors, quiet_hub
from vclr_pl.backbone.token_layer import token_layer
from vclr_pl.types import InputError, Normalization

NEAREST = 3


def timm_network(*, name: str, input_pixels: int | None, drop_path_rate: float, gradient_checkpointing: bool) -> Any:
    """Frames `[N, 3, H, W]` to pooled features `[N, feature_dim]`, with random weights; parameters have timm's names.

    Args:
        name: of `timm.list_models()`, with or without the tag of its weights: `convnext_atto`, `vit_small_patch14_dinov2.lvd142m`.
        input_pixels: height and width of the frames; None for those of the name's data config. It changes only networks that take one size.
        drop_path_rate: probability, in training, that a residual block is skipped (stochastic depth).
        gradient_checkpointing: compute activations again in the backward pass: less memory, more time.

    Raises:
        InputError: timm has no such network, or the network cannot do what an option asks for.
    """
    pixels = timm_pixels(name) if input_pixels is None else input_pixels
    fixed = bool(_config(name).fixed_input_size)
    network = _create(name, pixels=pixels, fixed=fixed, drop_path_rate=drop_path_rate)
    if gradient_checkpointing:
        _checkpoint(network, name=name)
    config = resolve_model_data_config(network)
    network.feature_dim = int(getattr(network, "head_hidden_size", None) or network.num_features)
    network.takes_clips = False
    network.input_normalization = Normalization(mean=tuple(config["mean"]), std=tuple(config["std"]))
    network.input_pixels, network.takes_any_size = pixels, not fixed
    network.last_stage = _last_stage(network)
    network.exported_as = {"network": "timm", "name": name, "input_pixels": pixels}
    network.fetch_weights = functools.partial(pretrained_tensors, name, pixels=pixels if fixed else None)
    return network


def _last_stage(network: Any) -> str:
    """The layer of activation maps; empty where the channels come last, as in Swin."""
    if getattr(network, "output_fmt", "NCHW") == "NHWC":
        return ""
    if hasattr(network, "num_prefix_tokens"):
        return token_layer(network)
    known = getattr(network, "feature_info", None) or [{}]
    return str((known if isinstance(known, list) else known.info)[-1].get("module", ""))


def timm_pixels(name: str) -> int:
    """Height and width of the frames that the network was made for.

    Raises:
        InputError: timm has no such network.
    """
    return int(_config(name).input_size[-1])


def pretrained_tensors(name: str, *, pixels: int | None) -> dict[str, Tensor]:
    """The network's own image weights, from timm's cache or the network; no classifier. timm resamples position embeddings for `pixels`.

    Raises:
        OSError, RuntimeError, ValueError: as timm and huggingface_hub do where there are no weights, or no way to them.
    """
    with cache_alone_without_network(), quiet_hub():
        try:
            tensors: dict[str, Tensor] = timm.create_model(name, pretrained=True, num_classes=0, **_sized(pixels)).state_dict()
        except network_errors() as error:
            raise OSError(str(error)) from error
    return tensors


def _config(name: str) -> Any:
    """timm's config of a network; raises InputError for an unknown name."""
    kind, _, tag = name.partition(".")
    if not timm.is_model(kind):
        near = difflib.get_close_matches(kind, timm.list_models(), n=NEAREST, cutoff=0.5)
        hint = f"The nearest: {', '.join(near)}." if near else "timm.list_models() lists them."
        raise InputError(expected="a network of timm", got=f"backbone.name={name}", hint=hint)
    known = [listed.partition(".")[2] for listed in timm.list_pretrained(f"{kind}.*")]
    if tag and tag not in known:
        near = [f"{kind}.{one}" for one in difflib.get_close_matches(tag, known, n=NEAREST, cutoff=0.0)]
        raise InputError(
            expected=f"a tag of weights of {kind}", got=f"backbone.name={name}", hint=f"Choose one of {', '.join([*near, kind])}."
        )
    return get_pretrained_cfg(name)


def _create(name: str, *, pixels: int, fixed: bool, drop_path_rate: float) -> Any:
    """The network for frames of `pixels`, tried on one black frame where it was made for another size."""
    native = timm_pixels(name)
    extra: dict[str, Any] = {"drop_path_rate": drop_path_rate} if drop_path_rate else {}
    try:
        network = timm.create_model(name, num_classes=0, **_sized(pixels if fixed and pixels != native else None), **extra)
    except TypeError as error:
        if "drop_path_rate" in str(error):
            raise InputError(
                expected="a network with residual blocks that can be skipped",
                got=f"backbone.drop_path_rate={drop_path_rate} for {name}",
                hint="Set backbone.drop_path_rate=0.",
            ) from error
        raise _other_size(name, pixels, cause=f"it takes {native} only") from error
    except (AssertionError, ValueError, RuntimeError) as error:
        raise _other_size(name, pixels, cause=str(error)) from error
    if pixels != native:
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(1, 3, pixels, pixels))
        except (AssertionError, ValueError, RuntimeError) as error:
            raise _other_size(name, pixels, cause=str(error)) from error
    return network.train()


def _other_size(name: str, pixels: int, *, cause: str) -> InputError:
    first = cause.splitlines()[0] if cause else "refused"
    return InputError(
        expected=f"a size of frames that {name} takes",
        got=f"{pixels} pixels ({first})",
        hint=f"Set transform.size_pixels={timm_pixels(name)}.",
    )


def _sized(pixels: int | None) -> dict[str, Any]:
    return {} if pixels is None else {"img_size": pixels}


def _checkpoint(network: Any, *, name: str) -> None:
    try:
        network.set_grad_checkpointing(True)
    except (AssertionError, AttributeError) as error:
        raise InputError(
            expected="a network that can compute its activations again",
            got=f"backbone.gradient_checkpointing=true for {name}",
            hint="Set backbone.gradient_checkpointing=false.",
        ) from error
