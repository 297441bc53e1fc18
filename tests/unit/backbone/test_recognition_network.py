"""Consensus, dropout, and what a frozen backbone does not do."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.resnet import SmallResNet, clip_network
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.types import InputError


def network(**changes):
    options = {
        "backbone": SmallResNet(widths=[8, 16], stem_stride=2),
        "classes": 5,
        "dropout": 0.5,
        "dropout_over": "video",
        "head_std": 0.1,
        "shift": None,
        "mode": "full",
    }
    return RecognitionNetwork(**(options | changes))


@pytest.mark.parametrize("dropout_over", ["video", "segment"])
@pytest.mark.parametrize("shift", [None, ResidualShift(segments=3, divisor=8)])
def test_a_video_is_the_mean_of_its_segments_logits(dropout_over, shift):
    model = network(dropout_over=dropout_over, shift=shift).eval()
    views = torch.randn(2, 3, 3, 16, 16)
    with torch.no_grad():
        expected = torch.stack([model(video).mean(0) for video in views])
        torch.testing.assert_close(model.video_logits(views), expected)


def test_dropout_over_the_video_has_one_mask_a_video():
    """With equal segments: one mask leaves what a single frame would give under it, several blend."""
    view = torch.randn(1, 1, 3, 16, 16)
    for dropout_over, kept in (("video", {0.0, 2.0}), ("segment", {0.0, 0.5, 1.0, 1.5, 2.0})):
        model = network(dropout_over=dropout_over, classes=16)
        model.backbone.eval()
        with torch.no_grad():
            model.head.weight.copy_(torch.eye(16))
            features = model.backbone(view[0]).clamp(min=0.1)
            model.backbone.forward = lambda frames, given=features: given.expand(len(frames), -1)
            torch.manual_seed(0)
            ratios = {
                round(float(ratio), 4) for _ in range(20) for ratio in (model.video_logits(view.expand(1, 4, -1, -1, -1)) / features)[0]
            }
        assert ratios == kept


def test_the_head_starts_as_published():
    torch.manual_seed(0)
    head = network(classes=1000, head_std=0.01).head
    assert float(head.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    assert not head.bias.any()


def test_linear_leaves_the_backbone_alone():
    model = network(mode="linear").train()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    assert model.training
    assert model.dropout.training
    assert not any(layer.training for layer in model.backbone.modules())
    loss = model.video_logits(torch.randn(2, 3, 3, 16, 16)).square().sum()
    loss.backward()
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.backbone.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    assert model.head.weight.grad is not None
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())


def test_full_trains_batch_norms():
    model = network()
    before = model.backbone.bn1.running_mean.clone()
    model.video_logits(torch.randn(2, 3, 3, 16, 16)).sum().backward()
    assert not torch.equal(model.backbone.bn1.running_mean, before)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_clips():
    model = network(backbone=clip_network(name="r3d_18")).eval()
    with torch.no_grad():
        assert model.video_logits(torch.randn(1, 2, 3, 4, 16, 16)).shape == (1, 5)
    assert model.takes_clips


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"classes": 1}, "at least two classes; got 1"),
        ({"dropout": 1.0}, r"recognizer\.dropout=1\.0"),
        ({"dropout_over": "frame"}, "video or segment; got frame"),
        ({"mode": "frozen"}, "got mode=frozen"),
    ],
)
def test_options_out_of_range_are_told(change, told):
    with pytest.raises(InputError, match=told):
        network(**change)
