"""The process group as seen from tensors; every function is the identity in a single process."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


@torch.no_grad()
def gather_stacked(tensor: Tensor) -> Tensor:
    """Equal-shaped tensors of all ranks, `[W, *shape]`, without gradient."""
    if world_size() == 1:
        return tensor.unsqueeze(0)
    gathered = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(world_size())]
    dist.all_gather(gathered, tensor.contiguous())
    return torch.stack(gathered)


def gather_objects(value: Any) -> list[Any]:
    """Picklable values of all ranks, in order of rank."""
    if world_size() == 1:
        return [value]
    gathered: list[Any] = [None] * world_size()
    dist.all_gather_object(gathered, value)
    return gathered
