from __future__ import annotations

import torch

from vclr_pl.backbone.small_resnet import SmallResNet


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
