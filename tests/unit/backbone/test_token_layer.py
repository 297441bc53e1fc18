"""The layer is the first norm of the last block of real networks; grids are counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vclr_pl.backbone.timm_network import timm_network
from vclr_pl.backbone.token_layer import grid_of_tokens, token_layer
from vclr_pl.backbone.torchvision_network import torchvision_network
from vclr_pl.types import InputError


def test_the_layer_of_vision_transformers() -> None:
    vit = timm_network(name="test_vit", input_pixels=160, drop_path_rate=0.0, gradient_checkpointing=False)
    assert token_layer(vit) == vit.last_stage == "blocks.5.norm1"
    assert torchvision_network(name="vit_b_16").last_stage == "encoder.layers.encoder_layer_11.ln_1"
    assert token_layer(nn.Linear(2, 2)) == ""


@pytest.mark.parametrize(("name", "stage"), [("tf_efficientnet_lite0", "blocks.6"), ("convnext_atto", "stages.3"), ("resnet18", "layer4")])
def test_convolutional_networks_of_timm_have_their_last_stage(name: str, stage: str) -> None:
    assert timm_network(name=name, input_pixels=None, drop_path_rate=0.0, gradient_checkpointing=False).last_stage == stage


def test_channels_last_have_no_layer() -> None:
    name = "swin_tiny_patch4_window7_224"
    assert timm_network(name=name, input_pixels=None, drop_path_rate=0.0, gradient_checkpointing=False).last_stage == ""


@pytest.mark.parametrize(
    ("prefix", "shape", "frames"), [(1, (7, 7), 1), (5, (4, 4), 1), (0, (14, 14), 1), (0, (8, 3, 3), 16), (1, (2, 5, 5), 4)]
)
def test_the_grid_keeps_every_token_at_its_place(prefix: int, shape: tuple[int, ...], frames: int) -> None:
    places = torch.arange(torch.Size(shape).numel()).reshape(shape).float()
    tokens = torch.cat([torch.full((prefix,), -1.0), places.flatten()]).reshape(1, -1, 1)
    assert torch.equal(grid_of_tokens(tokens, frames_per_clip=frames)[0, 0], places)


def test_tokens_without_a_square_grid_are_refused() -> None:
    with pytest.raises(InputError, match="got 15 tokens"):
        grid_of_tokens(torch.zeros(1, 15, 2), frames_per_clip=1)
