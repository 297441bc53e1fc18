"""The query encoder: a backbone, its projection heads, and how they are run.

Legend: N frames or clips, F backbone features, D projection; `*view` a frame `[C, H, W]` or a clip `[C, T, H, W]`.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vclr_pl.backbone.declaration import feature_dim_of
from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.encoder.compilation import Loss, compile_backbones
from vclr_pl.op.collective import world_size
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)


class HeadBatchNorm(nn.BatchNorm1d):
    """Batch norm of features `[..., F]` with statistics over all leading axes.

    Raises:
        InputError: in training, a single row, which has no statistics.
    """

    def forward(self, input: Tensor) -> Tensor:
        rows = input.flatten(0, -2)
        if self.training and len(rows) < 2:
            raise InputError(
                expected="at least two videos on each device for the batch norm of the projection head",
                got="one",
                hint="Set loader.batch_size=2 or more, or head=mlp.",
            )
        return super().forward(rows).reshape(input.shape)


class ProjectionHead(nn.Sequential):
    """The paper's projection head: Linear(F, F), ReLU, Linear(F, D), no batch norm (MoCo v2, Chen et al. 2020).

    Pooled features `[..., F]` to projections `[..., D]`, not normalized. Its children are named 0, 1, 2 as in the release.

    Args:
        feature_dim: F, given by the backbone.
        dim: D.
        batch_norm: batch norm after the first layer, over all leading axes (BYOL, Grill et al. 2020, section 3.2); a further child,
            named `norm`.
    """

    def __init__(self, *, feature_dim: int, dim: int, batch_norm: bool = False) -> None:
        norm = {"norm": HeadBatchNorm(feature_dim)} if batch_norm else {}
        layers: dict[str, nn.Module] = {"0": nn.Linear(feature_dim, feature_dim), **norm, "1": nn.ReLU(), "2": nn.Linear(feature_dim, dim)}
        super().__init__(OrderedDict(layers))
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
    """Memory layout, compilation, threads and TF32: they change the speed of an encoder, and its results by rounding alone.

    Args:
        channels_last: store convolution weights, and with them all activations, channels last.
        compile: compile the backbones with `torch.compile` at the first batch (`compilation.py`); `auto` times some steps and keeps the
            faster. Parameter names do not change.
        threads: of this process on the CPU; None for torch's default, one thread a core. A small network is many times slower
            where its threads share their cores with loading workers.
        tf32: on a GPU, products of float32 matrices and convolutions read 10 bits of the fraction instead of 23 (TensorFloat-32).

    Raises:
        InputError: fewer than one thread, or another word than `auto`.
    """

    def __init__(self, *, channels_last: bool, compile: bool | Literal["auto"], threads: int | None = None, tf32: bool = False) -> None:
        if threads is not None and threads < 1:
            raise InputError(expected="runtime.threads of at least 1", got=str(threads), hint="Set runtime.threads=1, or null.")
        if compile not in (True, False, "auto"):
            raise InputError(expected="runtime.compile to be true, false or auto", got=str(compile), hint="Set runtime.compile=auto.")
        self.channels_last, self.compile, self.threads, self.tf32 = channels_last, compile, threads, tf32
        self._is_settled = False

    def apply(self, encoder: VideoEncoder | RecognitionNetwork) -> None:
        """Convert parameters in place and set the threads. Call once, before training."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        if self.channels_last:
            for layer in encoder.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    layer.to(memory_format=torch.channels_last)
                elif isinstance(layer, torch.nn.Conv3d):
                    layer.to(memory_format=torch.channels_last_3d)

    def settle(self, backbones: Sequence[nn.Module], *, loss: Loss) -> None:
        """Compile the backbones if asked for. Call at the first batch of a process; later calls do nothing.

        Several processes exchange views between the passes: each compiles at its first step, and nothing is tried or timed before.

        Args:
            loss: the passes of a training step through the backbones, to a scalar.
        """
        if self.compile and not self._is_settled:
            if world_size() == 1:
                line = compile_backbones(backbones, loss=loss, only_if_faster=self.compile == "auto")
            elif self.compile == "auto":
                line = "not compiled: only a run of one process times it; runtime.compile=true compiles"
            else:
                line = "compiled at the first step"
                for backbone in backbones:
                    backbone.compile()
            logger.info("runtime.compile=%s: %s", str(self.compile).lower(), line)
        self._is_settled = True

    def set_products(self, device: torch.device) -> None:
        """Set TF32 for the whole process, as torch does; nothing on other devices than a GPU by CUDA."""
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
            torch.backends.cudnn.allow_tf32 = self.tf32

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames `[N, C, H, W]` or clips `[N, C, T, H, W]` in the memory layout of the weights."""
        if not self.channels_last:
            return frames.contiguous()
        return frames.contiguous(memory_format=torch.channels_last if frames.dim() == 4 else torch.channels_last_3d)
