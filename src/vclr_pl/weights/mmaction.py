"""mmaction2's 2D recognizers, TSN and TSM, with the tensor names of their ResNets.

Source: mmaction2 0.x and 1.x (`mmaction/models/backbones/resnet.py`, `resnet_tsm.py`, `heads/tsn_head.py`): a convolution and its
batch norm are one mmcv `ConvModule`, so torchvision's `conv1`, `bn1` are `conv1.conv`, `conv1.bn`, and `downsample.0`, `.1` are
`downsample.conv`, `.bn`. `ResNetTSM` (`shift_place="blockres"`) wraps the first convolution of each block in a `TemporalShift`, which adds
`.net`; if `layer3` has 23 blocks or more, only in every second block. The classifier is `cls_head.fc_cls`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from vclr_pl.types import InputError
from vclr_pl.weights.key_map import BACKBONE, CLASS_HEAD, KeyReport, load_by_name, read_safely, save_atomically, tensors_of
from vclr_pl.weights.resnet import own_names_of, resnet_tensors

THEIR_BACKBONE = "backbone."
THEIR_HEAD = "cls_head.fc_cls."
DEEP = 23  # with as many blocks in layer3, only every second block is shifted
CONVOLUTION = re.compile(r"\b(conv\d)\.conv(?:\.net)?\.")
BATCH_NORM = re.compile(r"\bconv(\d)\.bn\.")
SHIFTED = re.compile(r"layer\d\.(\d+)\.conv1\.conv\.")


class Mmaction:
    """Reads and writes mmaction2's checkpoints.

    Args:
        path: the `.pth` file.
        shift: true writes the names of TSM, false those of TSN. Both can be read.
    """

    def __init__(self, *, path: str, shift: bool) -> None:
        self.path, self.shift = path, shift

    def read(self) -> dict[str, Tensor]:
        """Backbone tensors by this package's names; the classifier as `fc.*`.

        Raises:
            InputError: the file contains no such ResNet, or an object that would have to be executed.
        """
        content = read_safely(self.path)
        state = tensors_of(content["state_dict"] if isinstance(content, dict) and "state_dict" in content else content, path=self.path)
        if not is_mmaction(state):
            raise InputError(
                expected="an mmaction2 checkpoint with backbone.conv1.conv.weight",
                got=f"{', '.join(list(state)[:3]) or 'no tensors'}, ... in {self.path}",
                hint="Set from= to the format of the file, or remove it to detect the format.",
            )
        return {CLASS_HEAD + key.removeprefix(THEIR_HEAD) if key.startswith(THEIR_HEAD) else _ours(key): state[key] for key in state}

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s backbone; heads are unchanged. See `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save the backbone, and the classifier if there is one, under mmaction2's names (`load_from=` in its configs).

        Returns:
            The saved tensors, by this package's names.

        Raises:
            InputError: mmaction2 has no such network.
        """
        saved = resnet_tensors(tensors, form="mmaction2", clips=False)
        blocks = {int(name.split(".")[1]) for name in saved if name.startswith("layer3.")}
        every = (2 if len(blocks) >= DEEP else 1) if self.shift else None
        save_atomically({"meta": {}, "state_dict": {_theirs(name, every=every): tensor for name, tensor in saved.items()}}, self.path)
        return own_names_of(saved)


def is_mmaction(names: Mapping[str, Tensor]) -> bool:
    """True if these are the tensor names of one of mmaction2's 2D ResNets."""
    stem = names.get(THEIR_BACKBONE + "conv1.conv.weight")
    return stem is not None and stem.dim() == 4


def is_shifted(names: Mapping[str, Tensor]) -> bool:
    """True if the network was trained with a temporal shift."""
    return THEIR_BACKBONE + "layer1.0.conv1.conv.net.weight" in names


def torchvision_name(name: str) -> str:
    """`layer1.0.conv1.conv.net.weight` to `layer1.0.conv1.weight`, and so on."""
    paired = BATCH_NORM.sub(r"bn\1.", CONVOLUTION.sub(r"\1.", name))
    return paired.replace("downsample.conv.", "downsample.0.").replace("downsample.bn.", "downsample.1.")


def _ours(key: str) -> str:
    return BACKBONE + torchvision_name(key.removeprefix(THEIR_BACKBONE)) if key.startswith(THEIR_BACKBONE) else key


def _theirs(name: str, *, every: int | None) -> str:
    """Translate torchvision's name into mmaction2's; every `every`-th block is shifted, None for no shift."""
    if name.startswith(CLASS_HEAD):
        return THEIR_HEAD + name.removeprefix(CLASS_HEAD)
    paired = re.sub(r"\bbn(\d)\.", r"conv\1.bn.", re.sub(r"\b(conv\d)\.", r"\1.conv.", name))
    paired = paired.replace("downsample.0.", "downsample.conv.").replace("downsample.1.", "downsample.bn.")
    block = SHIFTED.match(paired)
    if every is not None and block is not None and int(block.group(1)) % every == 0:
        paired = paired.replace("conv1.conv.", "conv1.conv.net.")
    return THEIR_BACKBONE + paired
