"""The key side of MoCo (He et al. 2020): the momentum encoder (eq. 2), and the queue of its keys, the negatives (section 3.2).

Legend: K rows, N keys of one step on all ranks, D projection.
"""

from __future__ import annotations

import copy
import math
from typing import Literal

import torch
from torch import Tensor, nn

from vclr_pl.encoder.video_encoder import VideoEncoder
from vclr_pl.op.contrast import ema_update


class MomentumEncoder(nn.Module):
    """A moving average of the query encoder's parameters. After each optimizer step, own <- momentum x own + (1 - momentum) x theirs.

    Batch norms have their own statistics and stay in training mode during pretraining; buffers are never averaged.

    Args:
        encoder: the query encoder; its parameters are copied.
        momentum: weight of the old value in an update, at the start of the run.
        final_momentum: weight at the end; it rises by half a cosine (BYOL, Grill et al. 2020). None keeps `momentum`, as published.
        copy_buffers: also copy the query encoder's batch-norm statistics at the start. The release copies the parameters only. Training
            does not read these statistics, so this matters only to an early evaluation of the momentum encoder.
    """

    def __init__(self, encoder: VideoEncoder, *, momentum: float, copy_buffers: bool, final_momentum: float | None = None) -> None:
        super().__init__()
        self.momentum, self.final_momentum, self.copy_buffers = momentum, final_momentum, copy_buffers
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.restart(encoder)

    @torch.no_grad()
    def restart(self, encoder: VideoEncoder) -> None:
        """Copy the query encoder's present parameters, for instance after weights were loaded into it."""
        torch._foreach_copy_(list(self.encoder.parameters()), [parameter.detach() for parameter in encoder.parameters()])
        if self.copy_buffers:
            for own, other in zip(self.encoder.buffers(), encoder.buffers(), strict=True):
                own.copy_(other)
        else:
            _reset_batch_norms(self.encoder)

    def momentum_at(self, progress: float) -> float:
        """Weight of the old value after the share `progress` of the run, 0 to 1."""
        if self.final_momentum is None:
            return self.momentum
        return self.final_momentum - (self.final_momentum - self.momentum) * (1.0 + math.cos(math.pi * min(1.0, progress))) / 2.0

    def update(self, encoder: VideoEncoder, *, progress: float = 0.0) -> None:
        """One moving-average step, over all parameters at once and in place.

        Args:
            progress: share of the run that is over.
        """
        other = [parameter.detach() for parameter in encoder.parameters()]
        ema_update(list(self.encoder.parameters()), other, momentum=self.momentum_at(progress))

    def forward(self, frames: Tensor) -> Tensor:
        """`[N, *view]` to pooled features `[N, F]`."""
        features: Tensor = self.encoder(frames)
        return features


def _reset_batch_norms(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._NormBase):
            layer.reset_running_stats()


class NegativeQueue(nn.Module):
    """Ring buffer of K keys: persistent buffers for the rows, the pointer and, where asked for, each row's video.

    A row is 4 D bytes: K = 131,072 rows of D = 128 are 64 MiB.

    Args:
        length: K.
        dim: D.
        initialization: `release` draws rows uniformly in +-sqrt(3 / D), of norm 1 on average only; `unit` scales normal draws to
            norm 1, so that the rows of the first K / N steps have the norm of keys.
        mask_own_video: store video ids and mask a query's own video among its negatives. The release does not: on UCF101 its
            queue holds about 14 outdated keys of every video, also of the anchor's own.
    """

    rows: Tensor
    pointer: Tensor
    video_index: Tensor

    def __init__(self, *, length: int, dim: int, initialization: Literal["release", "unit"], mask_own_video: bool) -> None:
        super().__init__()
        if initialization not in ("release", "unit"):
            raise ValueError(f"initialization is 'release' or 'unit', not {initialization!r}")
        self.length, self.mask_own_video = length, mask_own_video
        bound = math.sqrt(3.0 / dim)
        rows_KD = (
            torch.empty(length, dim).uniform_(-bound, bound)
            if initialization == "release"
            else nn.functional.normalize(torch.randn(length, dim), dim=1)
        )
        self.register_buffer("rows", rows_KD)
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))
        if mask_own_video:
            self.register_buffer("video_index", torch.full((length,), -1, dtype=torch.long))

    def own_video(self, video_index_B: Tensor) -> Tensor | None:
        """`[B, K]`, True where a row is of the query's own video; None where ids are not stored."""
        return video_index_B.unsqueeze(1) == self.video_index if self.mask_own_video else None

    @torch.no_grad()
    def enqueue(self, keys_ND: Tensor, video_index_N: Tensor) -> None:
        """Overwrite the N oldest rows in place. Call after backward: the graph of the step still reads the old rows.

        In the place of a key that is not finite the old row stays: it would make the loss of every step infinite until it is overwritten,
        and with `16-mixed` the scaler would skip all these steps. There is no synchronization with the device.
        """
        count = len(keys_ND)
        places_N = torch.arange(count, device=self.rows.device).add_(self.pointer).remainder_(self.length)
        is_finite_N = keys_ND.isfinite().all(1)
        self.rows.index_copy_(0, places_N, torch.where(is_finite_N.unsqueeze(1), keys_ND.to(self.rows.dtype), self.rows[places_N]))
        if self.mask_own_video:
            self.video_index.index_copy_(0, places_N, torch.where(is_finite_N, video_index_N, self.video_index[places_N]))
        self.pointer.add_(count).remainder_(self.length)
