"""The fixture that the other two-process tests stand on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pytest
import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Offset:
    value: float


def _sum_over_ranks(value: torch.Tensor, offset: Offset) -> torch.Tensor:
    total = value + offset.value + dist.get_rank()
    dist.all_reduce(total)
    return total


def _fail_on_rank_one() -> int:
    if dist.get_rank() == 1:
        raise ValueError("rank one objects")
    return dist.get_world_size()


def _warn(message: str, module: str) -> int:
    warnings.warn_explicit(message, UserWarning, filename="a.py", lineno=1, module=module)
    return dist.get_rank()


def test_warnings_of_our_code_are_errors_as_pyproject_has_them(two_processes):
    assert two_processes(_warn, "a library's own affair", "torch.nn") == [0, 1]
    with pytest.raises(RuntimeError, match="of our own"):
        two_processes(_warn, "of our own", "vclr_pl.op.collective")


def test_both_ranks_answer_in_order(two_processes):
    first, second = two_processes(_sum_over_ranks, torch.tensor([1.0, 2.0]), Offset(10.0))
    expected = torch.tensor([23.0, 25.0])  # (1 + 10 + 0) + (1 + 10 + 1), (2 + 10 + 0) + (2 + 10 + 1)
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(second, expected)


def test_a_failing_rank_is_named_and_the_pair_lives_on(two_processes):
    with pytest.raises(RuntimeError, match=r"rank 1:[\s\S]*rank one objects"):
        two_processes(_fail_on_rank_one)
    assert len(two_processes(_sum_over_ranks, torch.zeros(1), Offset(0.0))) == 2
