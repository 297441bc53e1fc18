"""Collectives across processes; with one process nothing is moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed import distributed_c10d

from vclr_pl.types import InputError

Result = TypeVar("Result")
TO_CONNECT, AS_LONG_AS_IT_TAKES = timedelta(minutes=30), timedelta(days=7)  # the first is torch's own limit

# torch 2.14 renamed it and warns of the old name; the oldest torch that works here knows the old name alone.
_all_gather_tensor: Any = getattr(dist, "all_gather_single", None) or getattr(dist, "all_gather_into_tensor", None)
_set_timeout: Any = getattr(dist, "set_timeout", None) or getattr(distributed_c10d, "_set_pg_timeout", None)  # as above


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


def _patient_group() -> Any:
    """All ranks, connected within torch's own limit; after that they wait for one another as long as it takes.

    Raises:
        InputError: they cannot reach one another by gloo, as where a machine's own name leads to its loopback address.
    """
    try:
        group: Any = dist.new_group(backend="gloo", timeout=TO_CONNECT)
        dist.barrier(group=group)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            expected="processes that reach one another by gloo",
            got=" ".join(str(error).split())[:200],
            hint="Set GLOO_SOCKET_IFNAME=eth0, or whatever network interface connects the machines.",
        ) from error
    _set_timeout(AS_LONG_AS_IT_TAKES, group)
    return group


def from_first(make: Callable[[], Result]) -> Result:
    """What `make` returns on rank 0, on every rank. Rank 0 alone calls it; the others wait as long as it takes (collective call).

    They wait in a group of their own: in that of the training, torch ends a run after half an hour, or ten minutes on GPUs.

    Raises:
        InputError: of `make`, on every rank.
    """
    if world_size() == 1:
        return make()
    waiting = _patient_group()
    results: list[Any] = [None]
    if rank() == 0:
        try:
            results = [make()]
        except InputError as error:
            results = [error]
    dist.broadcast_object_list(results, src=0, group=waiting)
    dist.destroy_process_group(waiting)
    if isinstance(results[0], InputError):
        raise results[0]
    made: Result = results[0]
    return made
