from __future__ import annotations

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


def test_batch_norm_of_a_head_is_over_all_leading_axes_and_leaves_the_names() -> None:
    torch.manual_seed(0)
    head, plain = ProjectionHead(feature_dim=6, dim=2, batch_norm=True), ProjectionHead(feature_dim=6, dim=2)
    with torch.no_grad():
        head.norm.weight.uniform_(0.5, 1.5)
    loaded = head.load_state_dict(plain.state_dict(), strict=False)
    assert (loaded.unexpected_keys, {name.split(".")[0] for name in loaded.missing_keys}) == ([], {"norm"})
    pooled = torch.randn(3, 5, 6)
    hidden = (pooled.flatten(0, 1) @ plain[0].weight.t() + plain[0].bias).detach().double()
    normalized = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + 1e-5).sqrt() * head.norm.weight.double() + head.norm.bias
    expected = torch.relu(normalized) @ plain[2].weight.double().t() + plain[2].bias
    torch.testing.assert_close(head(pooled).double(), expected.unflatten(0, (3, 5)), rtol=1e-4, atol=1e-5)


def test_batch_norm_of_a_head_needs_two_videos_in_training() -> None:
    head = ProjectionHead(feature_dim=6, dim=2, batch_norm=True)
    with pytest.raises(InputError, match=r"two videos on each device .* projection head; got one\. Set loader\.batch_size=2"):
        head(torch.randn(1, 6))
    assert head.eval()(torch.randn(1, 6)).shape == (1, 2)


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


def test_another_word_than_auto_is_refused() -> None:
    with pytest.raises(InputError, match=r"runtime.compile to be true, false or auto; got yes"):
        EncoderRuntime(channels_last=False, compile="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize(("tf32", "expected"), [(True, "high"), (False, "highest")])
def test_tf32_is_set_for_a_gpu_alone(tf32: bool, expected: str) -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    runtime = EncoderRuntime(channels_last=False, compile=False, tf32=tf32)
    try:
        torch.set_float32_matmul_precision("medium")
        runtime.set_products(torch.device("cpu"))
        assert torch.get_float32_matmul_precision() == "medium"
        runtime.set_products(torch.device("cuda", 0))
        assert torch.get_float32_matmul_precision() == expected
        assert torch.backends.cudnn.allow_tf32 == tf32
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
