"""Where each row is encoded, against the numbers written out; back come a rank's own rows, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import distributed as dist

from vclr_pl.op.shuffle import Shuffle, encoded_by_group, in_groups, permutation_of

PERMUTATION = torch.tensor([5, 0, 2, 1, 4, 3])


def test_the_groups_of_one_process_hold_every_gth_row() -> None:
    """Rows 0 to 5 in two groups are numbered 0 2 4, 1 3 5."""
    shuffle, rows = Shuffle(permutation=PERMUTATION, groups=2), torch.arange(6).unsqueeze(1)
    share = shuffle.share(rows)
    assert share.flatten().tolist() == [5, 0, 4, 2, 3, 1]
    assert torch.equal(shuffle.back(10 * share), 10 * rows)


def test_two_processes_encode_each_others_rows_and_get_their_own_back(two_processes: Callable[..., list[Any]]) -> None:
    shares = two_processes(_shuffle_and_back, 1)
    assert [share for share, _ in shares] == [[5, 0, 2], [1, 4, 3]]
    assert [own for _, own in shares] == [[0, 10, 20], [30, 40, 50]]


def _shuffle_and_back(groups: int) -> tuple[list[int], list[int]]:
    rows = torch.arange(3) + 3 * dist.get_rank()
    shuffle = Shuffle(permutation=PERMUTATION, groups=groups)
    share = shuffle.share(rows.unsqueeze(1))
    return share.flatten().tolist(), shuffle.back(10 * share).flatten().tolist()


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_two_processes_with_groups_move_what_one_process_with_twice_as_many_moves(
    groups: int, two_processes: Callable[..., list[Any]]
) -> None:
    """Video j of the global batch is row j // 2 of rank j % 2. Group v of all is group v // 2 of rank v % 2."""
    alone = Shuffle(permutation=permutation_of(size=24, draw=3, seed=0), groups=2 * groups)
    expected = alone.share(torch.arange(24).unsqueeze(1)).view(2 * groups, -1)
    shares = two_processes(_share_of_global_batch, groups)
    for rank, (share, own) in enumerate(shares):
        assert share == expected[rank::2].flatten().tolist()
        assert own == list(range(rank, 24, 2))


def _share_of_global_batch(groups: int) -> tuple[list[int], list[int]]:
    rows = torch.arange(dist.get_rank(), 24, 2, dtype=torch.uint8).view(-1, 1, 1).expand(-1, 2, 3)
    shuffle = Shuffle(permutation=permutation_of(size=24, draw=3, seed=0), groups=groups)
    share = shuffle.share(rows)
    assert share.shape == rows.shape
    assert share.dtype == torch.uint8
    return share[:, 0, 0].tolist(), shuffle.back(share)[:, 1, 2].tolist()


def test_each_group_is_a_pass_of_its_own() -> None:
    passes: list[list[int]] = []

    def encode(rows: torch.Tensor) -> torch.Tensor:
        passes.append(rows.flatten().tolist())
        return 10 * rows

    rows = torch.arange(8).view(4, 2, 1)  # two views of four videos
    assert torch.equal(in_groups(encode, videos=4, groups=2)(rows.flatten(0, 1)), 10 * rows.flatten(0, 1))
    assert passes == [[0, 1, 4, 5], [2, 3, 6, 7]]
    passes.clear()
    assert torch.equal(encoded_by_group(encode, rows, groups=2), 10 * rows)
    assert passes == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_draws_are_permutations_that_differ_and_repeat() -> None:
    first, second = permutation_of(size=50, draw=1, seed=0), permutation_of(size=50, draw=2, seed=0)
    assert sorted(first.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()
    assert first.tolist() == permutation_of(size=50, draw=1, seed=0).tolist()
    assert first.tolist() != permutation_of(size=50, draw=1, seed=1).tolist()
