"""The query encoder: a backbone, its projection heads, and how they are run.

Legend: N frames or clips, F backbone features, D projection; `*view` a frame `[C, H, W]` or a clip `[C, T, H, W]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vclr_pl.backbone.declaration import feature_dim_of
from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.types import InputError


class ProjectionHead(nn.Sequential):
    """The paper's projection head: Linear(F, F), ReLU, Linear(F, D), no batch norm (MoCo v2, Chen et al. 2020).

    Pooled features `[..., F]` to projections `[..., D]`, not normalized. Its children are named 0, 1, 2 as in the release.

    Args:
        feature_dim: F, given by the backbone.
        dim: D.
    """

    def __init__(self, *, feature_dim: int, dim: int) -> None:
        super().__init__(nn.Linear(feature_dim, feature_dim), nn.ReLU(), nn.Linear(feature_dim, dim))
        self.dim = dim


class VideoEncoder(nn.Module):
    """A backbone and its projection heads.

    Args:
        backbone: `[N, *view]` to `[N, F]`, with an attribute `feature_dim`.
        heads: head by name; each takes `[..., F]`.
    """

    def __init__(self, *, backbone: Any, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.feature_dim = feature_dim_of(backbone)
        self.backbone: nn.Module = backbone
        self.heads = nn.ModuleDict(dict(heads))

    def forward(self, frames: Tensor) -> Tensor:
        """`[N, *view]` to pooled features `[N, F]`."""
        features: Tensor = self.backbone(frames)
        return features

    def project(self, head: str, pooled: Tensor) -> Tensor:
        """`[..., F]` to the head's projections `[..., D]`."""
        projected: Tensor = self.heads[head](pooled)
        return projected


class EncoderRuntime:
    """Memory layout, compilation and threads: they change the speed of an encoder, not its results.

    Args:
        channels_last: store convolution weights, and with them all activations, channels last.
        compile: compile the backbones with `torch.compile`; parameter names do not change.
        threads: of this process on the CPU; None for torch's default, one thread a core. A small network is many times slower
            where its threads share their cores with loading workers.

    Raises:
        InputError: fewer than one thread.
    """

    def __init__(self, *, channels_last: bool, compile: bool, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(expected="runtime.threads of at least 1", got=str(threads), hint="Set runtime.threads=1, or null.")
        self.channels_last, self.compile, self.threads = channels_last, compile, threads

    def apply(self, encoder: VideoEncoder | RecognitionNetwork) -> None:
        """Convert parameters in place, compile in place, and set the threads. Call once, before training."""
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

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames `[N, C, H, W]` or clips `[N, C, T, H, W]` in the memory layout of the weights."""
        if not self.channels_last:
            return frames.contiguous()
        return frames.contiguous(memory_format=torch.channels_last if frames.dim() == 4 else torch.channels_last_3d)
