"""timm's own network with the same weights is the reference."""

from __future__ import annotations

import pytest
import timm
import torch

from vclr_pl.backbone.declaration import normalization_of, uses_batch_statistics
from vclr_pl.backbone.timm_network import timm_network, timm_pixels
from vclr_pl.types import InputError

SMALL = {  # name: pixels of the frames
    "tf_efficientnet_lite0": 64,
    "convnext_atto": 64,
    "vit_tiny_patch16_224": 64,
    "swin_tiny_patch4_window7_224": 56,
    "mobilenetv3_small_050": 64,  # its pooled features pass one more layer
    "regnetx_002": 64,
}


def made(name: str, *, pixels: int | None = None, drop_path_rate: float = 0.0, checkpointing: bool = False) -> torch.nn.Module:
    network: torch.nn.Module = timm_network(
        name=name, input_pixels=pixels, drop_path_rate=drop_path_rate, gradient_checkpointing=checkpointing
    )
    return network


@torch.no_grad()
@pytest.mark.parametrize(("name", "pixels"), SMALL.items())
def test_features_are_timms_own(name: str, pixels: int) -> None:
    network = made(name, pixels=pixels).eval()
    extra = {} if network.takes_any_size else {"img_size": pixels}
    theirs = timm.create_model(name, num_classes=0, **extra).eval()
    theirs.load_state_dict(network.state_dict())
    frames = torch.randn(2, 3, pixels, pixels, generator=torch.Generator().manual_seed(0))
    features = network(frames)
    torch.testing.assert_close(features, theirs(frames), atol=1e-5, rtol=0)
    assert features.shape == (2, network.feature_dim)


def test_size_and_normalization_are_those_of_the_data_config() -> None:
    assert timm_pixels("vit_small_patch14_dinov2.lvd142m") == 518
    assert made("mobilevit_xxs").input_pixels == 256
    found = normalization_of(made("tf_efficientnet_lite0"))
    assert found is not None
    assert (found.mean, found.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("name", "pixels", "said"),
    [
        ("convnext_attoo", None, r"a network of timm; got backbone.name=convnext_attoo\. The nearest: convnext_atto,"),
        ("resnet18.tv", None, r"a tag of weights of resnet18; .* one of resnet18\.tv_in1k,"),
        ("maxvit_rmlp_pico_rw_256", 112, r"got 112 pixels .*\. Set transform\.size_pixels=256"),
        ("inception_v3", 32, r"got 32 pixels .*\. Set transform\.size_pixels=299"),
    ],
)
def test_what_timm_cannot_make_is_said_in_one_line(name: str, pixels: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        made(name, pixels=pixels)
    assert "\n" not in str(raised.value)


def test_blocks_are_skipped_in_training_alone() -> None:
    network, frames = made("convnext_atto", pixels=32, drop_path_rate=0.9), torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.manual_seed(0)
        first = network.train()(frames)
        assert not torch.equal(first, network(frames))
        network.eval()
        assert torch.equal(network(frames), network(frames))
    with pytest.raises(InputError, match=r"backbone\.drop_path_rate=0\.1 for vgg11"):
        made("vgg11", drop_path_rate=0.1)


def test_activations_computed_again_give_the_same_gradients() -> None:
    plain, frames = made("convnext_atto", pixels=32).train(), torch.randn(2, 3, 32, 32)
    again = made("convnext_atto", pixels=32, checkpointing=True).train()
    again.load_state_dict(plain.state_dict())
    for network in (plain, again):
        network(frames).square().mean().backward()
    for (name, one), (_, other) in zip(plain.named_parameters(), again.named_parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, msg=name)
    assert any(getattr(layer, "grad_checkpointing", False) for layer in again.modules())


def test_only_networks_with_batch_norm_need_a_shuffle() -> None:
    assert uses_batch_statistics(made("tf_efficientnet_lite0"))
    assert not uses_batch_statistics(made("convnext_atto"))
