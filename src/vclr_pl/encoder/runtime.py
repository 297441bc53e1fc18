"""How encoders are run, which changes their speed and not what they compute."""

from __future__ import annotations

import torch

from vclr_pl.encoder.video_encoder import VideoEncoder


class EncoderRuntime:
    """Applied once to each encoder before training.

    Args:
        channels_last: keep convolution weights, and with them all activations, channels last.
        compile: compile the backbones with `torch.compile`; parameter names do not change.
    """

    def __init__(self, *, channels_last: bool, compile: bool) -> None:
        self.channels_last, self.compile = channels_last, compile

    def apply(self, encoder: VideoEncoder) -> None:
        """Convert parameters in place, and compile in place."""
        if self.channels_last:
            for layer in encoder.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    layer.to(memory_format=torch.channels_last)
                elif isinstance(layer, torch.nn.Conv3d):
                    layer.to(memory_format=torch.channels_last_3d)
        if self.compile:
            encoder.backbone.compile()

    def prepare(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames `[N, C, H, W]` or clips `[N, C, T, H, W]` in the layout that the weights have."""
        if not self.channels_last:
            return frames.contiguous()
        return frames.contiguous(memory_format=torch.channels_last if frames.dim() == 4 else torch.channels_last_3d)
