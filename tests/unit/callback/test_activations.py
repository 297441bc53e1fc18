"""The estimate against what autograd really keeps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vclr_pl.backbone.resnet import SmallResNet, resnet
from vclr_pl.callback.activations import activation_bytes


def kept(network: nn.Module, *, view: tuple[int, ...], images: int) -> float:
    """Bytes of a view that a real pass keeps, weights aside."""
    own = {value.untyped_storage().data_ptr() for value in (*network.parameters(), *network.buffers())}
    found: dict[int, torch.Tensor] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        found[value.untyped_storage().data_ptr()] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        network(torch.randn(images, *view)).sum()
    return sum(value.untyped_storage().nbytes() for place, value in found.items() if place not in own) / images


@pytest.mark.parametrize(("network", "side"), [(SmallResNet(widths=[8, 16], stem_stride=1), 32), (resnet(name="resnet18"), 64)])
def test_it_is_what_a_pass_keeps(network: nn.Module, side: int) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    estimate = activation_bytes(network, view=(3, side, side))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert estimate == pytest.approx(kept(network, view=(3, side, side), images=8), rel=0.05)


def test_a_network_that_refuses_has_no_estimate() -> None:
    class Odd(nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return frames * frames.mean().item()

    assert activation_bytes(Odd(), view=(3, 8, 8)) is None
