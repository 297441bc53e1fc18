from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision

from vclr_pl.backbone.resnet import SmallResNet, clip_network, resnet
from vclr_pl.types import InputError


@torch.no_grad()
def test_features_are_what_torchvisions_classifier_reads() -> None:
    network, whole = resnet(name="resnet18").eval(), torchvision.models.resnet18().eval()
    whole.load_state_dict(network.state_dict(), strict=False)
    seen: list[torch.Tensor] = []
    whole.fc.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    frames = torch.randn(2, 3, 32, 32)
    whole(frames)
    assert network.feature_dim == 512
    torch.testing.assert_close(network(frames), seen[0])


def test_resnet50_with_four_heads_has_the_published_size() -> None:
    """41.35 M parameters, 17.84 M of them heads, the order classifier included."""
    backbone = sum(parameter.numel() for parameter in resnet(name="resnet50").parameters())
    heads = 4 * (2048 * 2048 + 2048 + 2048 * 128 + 128) + 768 * 4 + 4
    assert (round(heads / 1e6, 2), round((backbone + heads) / 1e6, 2)) == (17.84, 41.35)


def test_a_wrong_name_is_refused_with_the_right_ones() -> None:
    with pytest.raises(InputError, match=r"resnet18, resnet34.*resnet5O"):
        resnet(name="resnet5O")


@torch.no_grad()
def test_clips_become_pooled_features() -> None:
    network = clip_network(name="r3d_18").eval()
    assert network(torch.randn(2, 3, 4, 32, 32)).shape == (2, 512) == (2, network.feature_dim)


def test_a_frame_network_is_refused() -> None:
    with pytest.raises(InputError, match="r3d_18"):
        clip_network(name="resnet18")


def test_a_small_frame_is_halved_by_the_stem_and_by_every_later_stage() -> None:
    network = SmallResNet(widths=[8, 16, 32], stem_stride=2).eval()
    shapes: list[torch.Size] = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _, inputs, output: shapes.append(output.shape))
    features = network(torch.randn(2, 3, 48, 48))
    assert [tuple(shape) for shape in shapes] == [(2, 8, 24, 24), (2, 16, 12, 12), (2, 32, 6, 6)]
    assert features.shape == (2, 32) == (2, network.feature_dim)


def test_the_demos_network_is_small() -> None:
    network = SmallResNet(widths=[16, 32, 64, 128], stem_stride=2)
    assert sum(parameter.numel() for parameter in network.parameters()) < 320_000


def test_few_channels_train_in_any_layout() -> None:
    """The gradients of four channels, channels last, are those of torch's strided convolution in the other layout."""
    torch.manual_seed(0)
    network, frames = SmallResNet(widths=[4, 8], stem_stride=2).double(), torch.randn(4, 3, 24, 24, dtype=torch.float64)
    shortcut: Any = network.stages[1].downsample
    plain = torch.nn.Conv2d(4, 8, 1, stride=2, bias=False).double()
    plain.load_state_dict(shortcut[0].state_dict())
    features = torch.randn(4, 4, 12, 12, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(shortcut[0](features), plain(features))
    network.float().to(memory_format=torch.channels_last)
    for _ in range(50):  # a write outside of the memory shows after some steps
        network(frames.float().contiguous(memory_format=torch.channels_last)).sum().backward()
