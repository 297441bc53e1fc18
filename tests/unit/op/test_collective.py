from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import distributed as dist

from vclr_pl.op.collective import gather_objects, gather_stacked, rank, world_size


def test_one_process_is_a_group_of_one() -> None:
    assert (world_size(), rank()) == (1, 0)
    assert gather_stacked(torch.tensor([1, 2])).tolist() == [[1, 2]]
    assert gather_objects("a") == ["a"]


def test_two_processes_see_each_other(two_processes: Callable[..., list[Any]]) -> None:
    assert two_processes(_gather) == [(2, 0, [[0, 1], [10, 11]], ["rank 0", "rank 1"]), (2, 1, [[0, 1], [10, 11]], ["rank 0", "rank 1"])]


def _gather() -> tuple[int, int, list[list[int]], list[str]]:
    rows = torch.tensor([0, 1]) + 10 * dist.get_rank()
    return world_size(), rank(), gather_stacked(rows).tolist(), gather_objects(f"rank {dist.get_rank()}")
