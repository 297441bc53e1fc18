from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import torch
from torch import distributed as dist

from vclr_pl.op.collective import from_first, gather_objects, gather_stacked, rank, world_size
from vclr_pl.types import InputError


def test_one_process_is_a_group_of_one() -> None:
    assert (world_size(), rank()) == (1, 0)
    assert gather_stacked(torch.tensor([1, 2])).tolist() == [[1, 2]]
    assert gather_objects("a") == ["a"]


def test_two_processes_see_each_other(two_processes: Callable[..., list[Any]]) -> None:
    assert two_processes(_gather) == [(2, 0, [[0, 1], [10, 11]], ["rank 0", "rank 1"]), (2, 1, [[0, 1], [10, 11]], ["rank 0", "rank 1"])]


def _gather() -> tuple[int, int, list[list[int]], list[str]]:
    rows = torch.tensor([0, 1]) + 10 * dist.get_rank()
    return world_size(), rank(), gather_stacked(rows).tolist(), gather_objects(f"rank {dist.get_rank()}")


def test_one_process_makes_its_result_itself() -> None:
    assert from_first(lambda: "made") == "made"


def test_the_first_process_alone_makes_the_result_and_the_other_waits_past_the_limit(two_processes: Callable[..., list[Any]]) -> None:
    """Two seconds in a group whose collectives end after one."""
    assert two_processes(_slow_result) == ["made by 0", "made by 0"]


def _slow_result() -> str:
    def make() -> str:
        time.sleep(2)
        return f"made by {dist.get_rank()}"

    limit: Any = getattr(dist, "set_timeout", None) or dist.distributed_c10d._set_pg_timeout  # torch 2.14 renamed it
    limit(timedelta(seconds=1), dist.group.WORLD)
    try:
        return from_first(make)
    finally:
        limit(timedelta(minutes=30), dist.group.WORLD)


def test_a_mistake_that_the_first_process_finds_is_raised_in_both(two_processes: Callable[..., list[Any]]) -> None:
    with pytest.raises(RuntimeError, match=r"rank 0:[\s\S]*expected a b; got c[\s\S]*rank 1:[\s\S]*expected a b; got c"):
        two_processes(_mistake)


def _mistake() -> None:
    def make() -> None:
        raise InputError(expected="a b", got="c", hint="Set d.")

    from_first(make)
