from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from vclr_pl.backbone.resnet import SmallResNet, clip_network
from vclr_pl.encoder.video_encoder import EncoderRuntime, ProjectionHead, VideoEncoder
from vclr_pl.types import InputError


def test_frames_go_through_the_backbone_and_features_through_the_head_asked_for() -> None:
    backbone = SmallResNet(widths=[4, 8], stem_stride=2).eval()
    encoder = VideoEncoder(backbone=backbone, heads={"inter": nn.Identity(), "segment": nn.Linear(8, 3)})
    frames = torch.randn(2, 3, 16, 16)
    pooled = encoder(frames)
    assert encoder.feature_dim == 8
    assert torch.equal(pooled, backbone(frames))
    assert encoder.project("inter", pooled) is pooled
    assert encoder.project("segment", pooled).shape == (2, 3)


def test_the_head_is_two_linear_layers_around_a_rectifier_under_published_names() -> None:
    head = ProjectionHead(feature_dim=6, dim=2)
    assert [(name, tuple(value.shape)) for name, value in head.state_dict().items()] == [
        ("0.weight", (6, 6)),
        ("0.bias", (6,)),
        ("2.weight", (2, 6)),
        ("2.bias", (2,)),
    ]
    pooled = torch.randn(3, 5, 6)
    hidden = torch.relu(pooled @ head[0].weight.t() + head[0].bias)
    torch.testing.assert_close(head(pooled), hidden @ head[2].weight.t() + head[2].bias)


def small() -> VideoEncoder:
    torch.manual_seed(0)
    return VideoEncoder(backbone=SmallResNet(widths=[4, 8], stem_stride=2), heads={}).eval()


def test_channels_last_changes_the_layout_and_not_the_features() -> None:
    plain, encoder, frames = small(), small(), torch.randn(2, 3, 16, 16)
    runtime = EncoderRuntime(channels_last=True, compile=False)
    runtime.apply(encoder)
    prepared = runtime.prepare(frames)
    assert prepared.is_contiguous(memory_format=torch.channels_last)
    assert encoder.backbone.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(encoder(prepared), plain(frames))


def test_clips_get_their_own_layout() -> None:
    encoder = VideoEncoder(backbone=clip_network(name="r3d_18"), heads={}).eval()
    runtime = EncoderRuntime(channels_last=True, compile=False)
    runtime.apply(encoder)
    prepared = runtime.prepare(torch.randn(1, 3, 4, 32, 32))
    assert prepared.is_contiguous(memory_format=torch.channels_last_3d)
    assert encoder.backbone.stem[0].weight.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.skipif(shutil.which("c++") is None and shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
@pytest.mark.filterwarnings("ignore")  # the compiler's own warnings, which differ from release to release
def test_a_compiled_backbone_gives_the_same_features_under_the_same_names() -> None:
    plain, encoder, frames = small(), small(), torch.randn(2, 3, 16, 16)
    EncoderRuntime(channels_last=False, compile=True).apply(encoder)
    assert list(encoder.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(encoder(frames), plain(frames), rtol=1e-4, atol=1e-5)


def test_threads_are_set_where_asked_and_left_where_not() -> None:
    before = torch.get_num_threads()
    try:
        EncoderRuntime(channels_last=False, compile=False, threads=3).apply(small())
        assert torch.get_num_threads() == 3
        EncoderRuntime(channels_last=False, compile=False, threads=None).apply(small())
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_no_thread_at_all_is_refused() -> None:
    with pytest.raises(InputError, match=r"runtime.threads of at least 1; got 0"):
        EncoderRuntime(channels_last=False, compile=False, threads=0)
