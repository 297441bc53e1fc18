"""Stages of real networks: every parameter once, in the order in which a frame passes them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vclr_pl.backbone.resnet import SmallResNet, clip_network, resnet
from vclr_pl.backbone.stages import modules_of, stages_of
from vclr_pl.backbone.timm_network import timm_network
from vclr_pl.backbone.torchvision_network import torchvision_network


def timm(name: str, pixels: int | None = None):
    return timm_network(name=name, input_pixels=pixels, drop_path_rate=0.0, gradient_checkpointing=False)


NETWORKS = {  # number of stages, as the papers of the networks count them, with the stem
    "resnet50": (lambda: resnet(name="resnet50"), 5),
    "r3d_18": (lambda: clip_network(name="r3d_18"), 5),
    "small": (lambda: SmallResNet(widths=[4, 8, 16], stem_stride=2), 4),
    "lite0": (lambda: timm("tf_efficientnet_lite0"), 8),
    "timm vit": (lambda: timm("test_vit", 160), 7),
    "torchvision vit": (lambda: torchvision_network(name="vit_b_16"), 13),
    "torchvision convnext": (lambda: torchvision_network(name="convnext_tiny"), 9),
    "torchvision swin3d": (lambda: torchvision_network(name="swin3d_t"), 8),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_is_in_one_stage(name: str) -> None:
    make, count = NETWORKS[name]
    network = make()
    stages = stages_of(network)
    placed = [key for stage in stages for key in stage]
    assert sorted(placed) == sorted(key for key, _ in network.named_parameters())
    assert all(stage[key] is dict(network.named_parameters())[key] for stage in stages for key in stage)
    assert len(stages) == count


@pytest.mark.parametrize("name", ["resnet50", "small", "lite0"])
def test_stages_are_in_the_order_of_the_layers(name: str) -> None:
    """The order in which the layers run is taken from hooks on a black frame."""
    network = NETWORKS[name][0]().eval()
    ran: list[str] = []
    for prefix, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda *_, key=f"{prefix}.weight": ran.append(key))
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
    number_of = {key: number for number, stage in enumerate(stages_of(network)) for key in stage}
    numbers = [number_of[key] for key in ran]
    assert numbers == sorted(numbers)


def test_a_norm_after_the_stem_belongs_to_the_stem() -> None:
    network = resnet(name="resnet18")
    assert list(stages_of(network)[0]) == ["conv1.weight", "bn1.weight", "bn1.bias"]
    assert network.bn1 in modules_of(network, stages_of(network)[:1])
    assert network.layer1[0].bn1 not in modules_of(network, stages_of(network)[:1])


def test_the_last_norm_of_convnext_belongs_to_its_last_stage() -> None:
    stages = stages_of(timm("convnext_atto", 64))
    assert len(stages) == 5
    assert {"head.norm.weight", "stages.3.blocks.0.gamma"} <= set(stages[-1])


def test_a_norm_without_parameters_is_frozen_with_the_layer_before_it() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, affine=False))
    assert modules_of(network, [{"0.weight": network[0].weight, "0.bias": network[0].bias}]) == [network[0], network[1]]


def test_parameters_of_the_backbone_itself_are_in_the_first_stage() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1))
            self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)

    assert [sorted(stage) for stage in stages_of(Own())] == [["first.bias", "first.weight", "token"], ["second.bias", "second.weight"]]
    assert stages_of(nn.Identity()) == []
