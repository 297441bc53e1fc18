"""torchvision's own network with the same weights is the reference: the features are what its classifier reads."""

from __future__ import annotations

import pytest
import torch
import torchvision

from vclr_pl.backbone.declaration import normalization_of, refuse_other_size
from vclr_pl.backbone.torchvision_network import torchvision_network
from vclr_pl.types import InputError

FRAMES = {"convnext_tiny": 768, "swin_t": 768, "mobilenet_v3_small": 1024, "densenet121": 1024, "vit_b_32": 768}
CLIPS = {"mvit_v2_s": (768, 16, 224), "swin3d_t": (768, 4, 32), "s3d": (1024, 16, 224)}


@torch.no_grad()
@pytest.mark.parametrize(("name", "width"), FRAMES.items())
def test_features_of_frames_are_what_the_classifier_reads(name: str, width: int) -> None:
    compare(name, width=width, view=torch.randn(1, 3, 224, 224) if name == "vit_b_32" else torch.randn(2, 3, 64, 64))


@torch.no_grad()
@pytest.mark.parametrize(("name", "shape"), CLIPS.items())
def test_features_of_clips_are_what_the_classifier_reads(name: str, shape: tuple[int, int, int]) -> None:
    width, frames, pixels = shape
    compare(name, width=width, view=torch.randn(1, 3, frames, pixels, pixels), averaged=name == "s3d")


def compare(name: str, *, width: int, view: torch.Tensor, averaged: bool = False) -> None:
    network, whole = torchvision_network(name=name).eval(), torchvision.models.get_model(name, weights=None).eval()
    whole.load_state_dict(network.state_dict(), strict=False)
    classifier = [layer for layer in whole.modules() if isinstance(layer, torch.nn.Linear | torch.nn.Conv3d | torch.nn.Conv2d)][-1]
    seen: list[torch.Tensor] = []
    classifier.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    whole(view)
    expected = seen[0].mean((2, 3, 4)) if averaged else seen[0].flatten(1)
    features = network(view)
    assert features.shape == (len(view), width) == (len(view), network.feature_dim)
    assert network.takes_clips == (view.dim() == 5)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)


def test_size_and_normalization_are_those_of_the_librarys_evaluation() -> None:
    found = normalization_of(torchvision_network(name="r3d_18"))
    assert found is not None
    assert found.mean == (0.43216, 0.394666, 0.37645)
    with pytest.raises(InputError, match=r"224 pixels, the only size .* protocol\.crop_pixels=96\. Set protocol\.crop_pixels=224"):
        refuse_other_size(torchvision_network(name="vit_b_32"), pixels=96, option="protocol.crop_pixels")


@pytest.mark.parametrize(
    ("name", "said"),
    [("convnext_tinny", r"The nearest: convnext_tiny"), ("inception_v3", r"Try timm's: backbone=timm backbone\.name=inception_v3")],
)
def test_other_networks_are_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        torchvision_network(name=name)
