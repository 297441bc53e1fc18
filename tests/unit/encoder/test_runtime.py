from __future__ import annotations

import shutil

import pytest
import torch

from vclr_pl.backbone.clip_network import clip_network
from vclr_pl.backbone.small_resnet import SmallResNet
from vclr_pl.encoder.runtime import EncoderRuntime
from vclr_pl.encoder.video_encoder import VideoEncoder
from vclr_pl.types import InputError


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
