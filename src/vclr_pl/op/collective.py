"""Collectives across processes; with one process nothing is moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

# torch 2.14 renamed it and warns of the old name; the oldest torch that works here knows the old name alone.
_all_gather_tensor: Any = getattr(dist, "all_gather_single", None) or getattr(dist, "all_gather_into_tensor", None)


def world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


@torch.no_grad()
def gather_stacked(tensor: Tensor) -> Tensor:
    """Equal-shaped tensors of all ranks, `[W, *shape]`, without gradient."""
    if world_size() == 1:
        return tensor.unsqueeze(0)
    gathered = tensor.new_empty((world_size(), *tensor.shape))
    _all_gather_tensor(gathered.view(-1), tensor.contiguous().view(-1))
    return gathered


@torch.no_grad()
def broadcast_from_first(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors in place by those of rank 0."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


@torch.no_grad()
def largest_over_ranks(numbers: Sequence[float], *, device: torch.device) -> list[float]:
    """The largest value of each number over all ranks, by one collective."""
    if world_size() == 1:
        return list(numbers)
    reduced = torch.tensor(numbers, dtype=torch.float32, device=device)
    dist.all_reduce(reduced, op=dist.ReduceOp.MAX)
    return [float(number) for number in reduced.tolist()]


def gather_objects(value: Any) -> list[Any]:
    """Picklable values of all ranks, in order of rank."""
    if world_size() == 1:
        return [value]
    gathered: list[Any] = [None] * world_size()
    dist.all_gather_object(gathered, value)
    return gathered
