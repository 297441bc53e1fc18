"""ResNets without a classifier: torchvision's for frames, the paper's `resnet50` among them, and for clips, and the demo's small one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from vclr_pl.backbone.torchvision_network import pretrained_tensors
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
    network.fetch_weights = functools.partial(pretrained_tensors, name)
    return network


class SmallResNet(nn.Module):
    """Frames `[N, 3, H, W]` to pooled features `[N, widths[-1]]`: a 3x3 stem without max-pooling, one basic block a stage.

    Args:
        widths: channels of the stages; every stage but the first halves the resolution.
        stem_stride: stride of the first convolution.
    """

    def __init__(self, *, widths: Sequence[int], stem_stride: int) -> None:
        super().__init__()
        self.feature_dim, self.takes_clips = widths[-1], False
        self.exported_as = {"network": "small_resnet", "widths": list(widths), "stem_stride": stem_stride}
        self.conv1 = nn.Conv2d(3, widths[0], 3, stride=stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        stages = [_stage(widths[0], widths[0], stride=1)]
        stages += [_stage(narrow, wide, stride=2) for narrow, wide in pairwise(widths)]
        self.stages = nn.Sequential(*stages)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, frames: Tensor) -> Tensor:
        features: Tensor = self.stages(torch.relu_(self.bn1(self.conv1(frames))))
        return features.mean((2, 3))


SAFE_CHANNELS = 8


class _OfEveryOther(nn.Conv2d):
    """A strided 1x1 convolution, as one without stride of the positions that it reads.

    With fewer than 8 channels, channels last, on a CPU without AVX-512, torch 2.14.1 writes outside its memory in the backward pass of the
    strided one (oneDNN's brgconv_strided:avx2).
    """

    def forward(self, frames: Tensor) -> Tensor:
        rows, columns = self.stride
        return nn.functional.conv2d(frames[:, :, ::rows, ::columns], self.weight)

    def _get_name(self) -> str:
        return "Conv2d"  # the description of a network identifies its stored features


def _stage(narrow: int, wide: int, *, stride: int) -> Any:
    if stride == 1 and narrow == wide:
        return BasicBlock(narrow, wide)
    convolution = _OfEveryOther if narrow < SAFE_CHANNELS else nn.Conv2d
    shortcut = nn.Sequential(convolution(narrow, wide, 1, stride=stride, bias=False), nn.BatchNorm2d(wide))
    return BasicBlock(narrow, wide, stride=stride, downsample=shortcut)
