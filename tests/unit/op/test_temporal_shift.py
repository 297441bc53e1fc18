"""The temporal shift against a loop over frames and channels."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.op.temporal_shift import temporal_shift


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
