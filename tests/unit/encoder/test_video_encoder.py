from __future__ import annotations

import torch
from torch import nn

from vclr_pl.backbone.small_resnet import SmallResNet
from vclr_pl.encoder.video_encoder import VideoEncoder


def test_frames_go_through_the_backbone_and_features_through_the_head_asked_for() -> None:
    backbone = SmallResNet(widths=[4, 8], stem_stride=2).eval()
    encoder = VideoEncoder(backbone=backbone, heads={"inter": nn.Identity(), "segment": nn.Linear(8, 3)})
    frames = torch.randn(2, 3, 16, 16)
    pooled = encoder(frames)
    assert encoder.feature_dim == 8
    assert torch.equal(pooled, backbone(frames))
    assert encoder.project("inter", pooled) is pooled
    assert encoder.project("segment", pooled).shape == (2, 3)
