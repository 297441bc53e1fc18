"""The momentum encoder: an exponential moving average of the query encoder's parameters (MoCo, eq. 2)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from vclr_pl.encoder.video_encoder import VideoEncoder
from vclr_pl.op.contrast import ema_update


class MomentumEncoder(torch.nn.Module):
    """Updated after each optimizer step: parameter <- momentum x own + (1 - momentum) x the query encoder's.

    Batch norms have their own statistics and stay in training mode during pretraining; buffers are never averaged.

    Args:
        encoder: the query encoder; its parameters are copied.
        momentum: weight of the old value in an update.
        copy_buffers: also copy the query encoder's batch-norm statistics at the start. The release copies the parameters only. Training
            does not read these statistics, so this matters only to an early evaluation of the momentum encoder.
    """

    def __init__(self, encoder: VideoEncoder, *, momentum: float, copy_buffers: bool) -> None:
        super().__init__()
        self.momentum, self.copy_buffers = momentum, copy_buffers
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

    def update(self, encoder: VideoEncoder) -> None:
        """One moving-average step, over all parameters at once and in place."""
        other = [parameter.detach() for parameter in encoder.parameters()]
        ema_update(list(self.encoder.parameters()), other, momentum=self.momentum)

    def forward(self, frames: Tensor) -> Tensor:
        """`[N, *view]` to pooled features `[N, F]`."""
        features: Tensor = self.encoder(frames)
        return features

    def project(self, head: str, pooled: Tensor) -> Tensor:
        """`[..., F]` to the head's projections `[..., D]`."""
        return self.encoder.project(head, pooled)


def _reset_batch_norms(module: torch.nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._NormBase):
            layer.reset_running_stats()
