"""How encoders are run, which changes their speed and not what they compute."""

from __future__ import annotations

import torch

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.encoder.video_encoder import VideoEncoder
from vclr_pl.types import InputError


class EncoderRuntime:
    """Applied once to each encoder before training.

    Args:
        channels_last: keep convolution weights, and with them all activations, channels last.
        compile: compile the backbones with `torch.compile`; parameter names do not change.
        threads: of this process on the CPU, None for torch's own choice, a thread a core. Threads that wait for one another
            on cores that loading workers hold can cost a small network many times its work.
    """

    def __init__(self, *, channels_last: bool, compile: bool, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(expected="runtime.threads of at least 1", got=str(threads), hint="Set runtime.threads=1, or null.")
        self.channels_last, self.compile, self.threads = channels_last, compile, threads

    def apply(self, encoder: VideoEncoder | RecognitionNetwork) -> None:
        """Convert parameters in place, and compile in place; set the threads."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
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
