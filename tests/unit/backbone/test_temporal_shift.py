"""The temporal shift against a loop; in whole networks: no parameter more, none renamed, and the output with shifted activations."""

from __future__ import annotations

import re

import pytest
import timm
import torch
from torchvision.models import get_model
from torchvision.models.resnet import BasicBlock, Bottleneck

from vclr_pl.backbone.resnet import SmallResNet, clip_network, resnet
from vclr_pl.backbone.temporal_shift import ResidualShift, ShiftedConvolution, temporal_shift
from vclr_pl.types import InputError

SHIFT = ResidualShift(segments=4, divisor=8)


def loop(frames, *, segments, divisor):
    """From the paper's words: of frame t, the first share of channels is frame t + 1's, the second frame t - 1's."""
    count, channels = frames.shape[:2]
    share = channels // divisor
    out = torch.zeros_like(frames)
    for n in range(count):
        video, t = divmod(n, segments)
        for channel in range(channels):
            source = t + 1 if channel < share else t - 1 if channel < 2 * share else t
            if 0 <= source < segments:
                out[n, channel] = frames[video * segments + source, channel]
    return out


@pytest.mark.parametrize(("segments", "divisor", "channels"), [(4, 8, 16), (3, 8, 9), (1, 2, 4), (2, 4, 3), (12, 3, 6)])
def test_it_is_the_loop(segments, divisor, channels):
    frames = torch.randn(12, channels, 2, 3)
    assert torch.equal(temporal_shift(frames, segments=segments, divisor=divisor), loop(frames, segments=segments, divisor=divisor))


def test_the_memory_format_stays():
    frames = torch.randn(8, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    shifted = temporal_shift(frames, segments=4, divisor=8)
    assert shifted.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(shifted, temporal_shift(frames.contiguous(), segments=4, divisor=8))


def test_gradients_go_back_where_values_came_from():
    frames = torch.randn(4, 8, 1, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: temporal_shift(value, segments=2, divisor=4), frames)


def test_frames_that_are_no_whole_videos_are_told():
    with pytest.raises(ValueError, match="10 frames are no whole videos of 4 segments"):
        temporal_shift(torch.zeros(10, 8, 1, 1), segments=4, divisor=8)


def shifted_by_hooks(network, frames):
    """The same network unshifted, its first convolutions' inputs replaced from outside."""
    blocks = [block for block in network.modules() if isinstance(block, BasicBlock | Bottleneck)]
    handles = [
        block.conv1.register_forward_pre_hook(lambda _, given: (temporal_shift(given[0], segments=4, divisor=8),)) for block in blocks
    ]
    out = network(frames)
    for handle in handles:
        handle.remove()
    return out


@pytest.mark.parametrize(
    ("make", "blocks"),
    [
        (lambda: resnet(name="resnet18"), 8),
        (lambda: resnet(name="resnet50"), 16),
        (lambda: SmallResNet(widths=[8, 16], stem_stride=2), 2),
    ],
)
def test_every_block_is_shifted_at_no_cost(make, blocks):
    network = make().eval()
    names = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    parameters = [id(parameter) for parameter in network.parameters()]
    frames = torch.randn(8, 3, 32, 32)
    with torch.no_grad():
        expected, unshifted = shifted_by_hooks(network, frames), network(frames)
        SHIFT.apply(network)
        found = network(frames)
    assert sum(isinstance(layer, ShiftedConvolution) for layer in network.modules()) == blocks
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == names
    assert [id(parameter) for parameter in network.parameters()] == parameters
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, unshifted)


@pytest.mark.parametrize(
    ("library", "name", "first_convolutions", "shifted"),  # of a block, by its layers' names; the number of blocks with a shortcut
    [
        (timm.create_model, "resnet18d", r"layer\d\.\d\.conv1", 8),
        (
            timm.create_model,
            "mobilenetv2_050",
            r"blocks\.\d\.[1-9]\.conv_pw",
            10,
        ),
        (timm.create_model, "convnext_atto", r"stages\.\d\.blocks\.\d\.conv_dw", 12),
        (timm.create_model, "regnetx_002", r"s\d\.b\d\.conv1\.conv", 13),
        (get_model, "mobilenet_v2", r"features\.\d+\.conv\.0\.0", 10),
        (get_model, "regnet_x_400mf", r"trunk_output\.block\d\.block\d-\d+\.f\.a\.0", 22),
        (get_model, "convnext_tiny", r"features\.\d\.\d\.block\.0", 18),
        (get_model, "efficientnet_b0", r"features\.\d\.\d\.block\.0\.0", 9),
    ],
)
def test_other_networks_of_residual_blocks_are_shifted_too(library, name, first_convolutions, shifted):
    """MobileNetV2 has 17 blocks, 10 of them with a shortcut (Sandler et al. 2018, table 2)."""
    network = library(name).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(layer.weight)  # the last of a block starts at 0 in timm
    frames = torch.randn(4, 3, 64, 64)
    layers = dict(network.named_modules())
    with torch.no_grad():
        unshifted = network(frames)
        SHIFT.apply(network)
        found = {name for name, layer in network.named_modules() if isinstance(layer, ShiftedConvolution)}
        handles = [
            layers[one].register_forward_pre_hook(lambda _, given: (temporal_shift(given[0], segments=4, divisor=8),)) for one in found
        ]
        shifted_output = network(frames)
        for one in found:  # the layers of before, shifted from outside
            owner, _, own = one.rpartition(".")
            setattr(network.get_submodule(owner), own, layers[one])
        expected = network(frames)
    assert all(re.fullmatch(first_convolutions, one) for one in found)
    assert len(found) == len(handles) == shifted
    torch.testing.assert_close(shifted_output, expected)
    assert not torch.equal(shifted_output, unshifted)


@pytest.mark.parametrize(
    "network", [("shufflenet_v2_x0_5", get_model), ("densenet121", get_model), ("vit_tiny_patch16_224", timm.create_model)]
)
def test_networks_without_residual_blocks_of_convolutions_are_refused(network):
    name, library = network
    with pytest.raises(InputError, match="residual blocks of convolutions"):
        SHIFT.apply(library(name))


def test_of_a_deep_network_every_second_block_is_shifted():
    """ResNet-101 has stages of 3, 4, 23 and 3 blocks; by their names, as mmaction2 counts them."""
    with torch.device("meta"):
        network = resnet(name="resnet101")
    SHIFT.apply(network)
    found = {name for name, layer in network.named_modules() if isinstance(layer, ShiftedConvolution)}
    assert found == {
        f"layer{stage}.{block}.conv1" for stage, blocks in ((1, 3), (2, 4), (3, 23), (4, 3)) for block in range(blocks) if block % 2 == 0
    }


def test_the_shifted_resnet50_has_as_many_parameters():
    network = resnet(name="resnet50")
    before = sum(parameter.numel() for parameter in network.parameters())
    SHIFT.apply(network)
    assert sum(parameter.numel() for parameter in network.parameters()) == before == 23_508_032


def test_published_weights_load_into_a_shifted_network():
    network, other = resnet(name="resnet18"), resnet(name="resnet18")
    SHIFT.apply(network)
    assert network.load_state_dict(other.state_dict(), strict=True)


def test_nothing_random_is_drawn():
    network = resnet(name="resnet18")
    state = torch.get_rng_state()
    SHIFT.apply(network)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_that_cannot_be_shifted_is_told():
    with pytest.raises(InputError, match="with residual blocks of convolutions, for the temporal shift; got VideoResNet"):
        SHIFT.apply(clip_network(name="r3d_18"))
    with pytest.raises(InputError, match="got Linear"):
        SHIFT.apply(torch.nn.Linear(2, 2))
    network = SmallResNet(widths=[8], stem_stride=1)
    SHIFT.apply(network)
    with pytest.raises(InputError, match="Shift it once"):
        SHIFT.apply(network)
    with pytest.raises(InputError, match=r"shift\.divisor=1"):
        ResidualShift(segments=4, divisor=1)
