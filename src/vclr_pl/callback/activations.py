"""Memory of the activations that backward needs, from a forward pass without computation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

IMAGES = 24  # of the pass: a multiple of 2, 3 and 8, for networks that look at neighboring segments


def activation_bytes(network: nn.Module, *, view: tuple[int, ...]) -> int | None:
    """Bytes that a pass over one view `[C, H, W]` or `[C, T, H, W]` keeps for backward in float32; None where the network refuses it.

    The pass has tensors of torch's `meta` device, which have shapes and no values: it takes milliseconds and no memory.
    """
    weights = {
        name: torch.empty_like(value, device="meta").requires_grad_(value.requires_grad) for name, value in network.named_parameters()
    }
    buffers = {name: torch.empty_like(value, device="meta") for name, value in network.named_buffers()}
    own = {_storage(value) for value in (*weights.values(), *buffers.values())}
    kept: dict[int, Tensor] = {}

    def keep(value: Tensor) -> Tensor:
        if _storage(value) not in own:
            kept[_storage(value)] = value
        return value

    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            functional_call(network, {**weights, **buffers}, (torch.empty(IMAGES, *view, device="meta"),))
    except Exception:  # a network of the user's own may look at values, or take another shape: then there is no estimate
        return None
    return sum(value.untyped_storage().nbytes() for value in kept.values()) // IMAGES


def _storage(value: Any) -> int:
    return int(value.untyped_storage()._cdata)
