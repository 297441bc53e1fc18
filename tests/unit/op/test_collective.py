from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import distributed as dist

from vclr_pl.op.collective import gather_objects, gather_stacked, permutation_of, rank, shuffled_share, unshuffled_share, world_size


def test_one_process_is_a_group_of_one() -> None:
    assert (world_size(), rank()) == (1, 0)
    assert gather_stacked(torch.tensor([1, 2])).tolist() == [[1, 2]]
    assert gather_objects("a") == ["a"]


def test_two_processes_see_each_other(two_processes: Callable[..., list[Any]]) -> None:
    assert two_processes(_gather) == [(2, 0, [[0, 1], [10, 11]], ["rank 0", "rank 1"]), (2, 1, [[0, 1], [10, 11]], ["rank 0", "rank 1"])]


def _gather() -> tuple[int, int, list[list[int]], list[str]]:
    rows = torch.tensor([0, 1]) + 10 * dist.get_rank()
    return world_size(), rank(), gather_stacked(rows).tolist(), gather_objects(f"rank {dist.get_rank()}")


PERMUTATION = torch.tensor([5, 0, 2, 1, 4, 3])


def test_one_process_moves_nothing() -> None:
    rows = torch.arange(6).unsqueeze(1)
    assert torch.equal(shuffled_share(rows, permutation=PERMUTATION), rows)
    assert torch.equal(unshuffled_share(rows, permutation=PERMUTATION), rows)


def test_two_processes_encode_each_others_rows_and_get_their_own_back(two_processes: Callable[..., list[Any]]) -> None:
    shares = two_processes(_shuffle_and_back)
    assert [share for share, _ in shares] == [[5, 0, 2], [1, 4, 3]]
    assert [own for _, own in shares] == [[0, 10, 20], [30, 40, 50]]


def _shuffle_and_back() -> tuple[list[int], list[int]]:
    rows = torch.arange(3) + 3 * dist.get_rank()
    share = shuffled_share(rows.unsqueeze(1), permutation=PERMUTATION)
    return share.flatten().tolist(), unshuffled_share(10 * share, permutation=PERMUTATION).flatten().tolist()


def test_draws_are_permutations_that_differ_and_repeat() -> None:
    first, second = permutation_of(size=50, draw=1, seed=0), permutation_of(size=50, draw=2, seed=0)
    assert sorted(first.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()
    assert first.tolist() == permutation_of(size=50, draw=1, seed=0).tolist()
    assert first.tolist() != permutation_of(size=50, draw=1, seed=1).tolist()
