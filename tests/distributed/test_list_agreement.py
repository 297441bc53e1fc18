"""Ranks with other lists of videos end with the first video that differs."""

from __future__ import annotations

import pytest

from vclr_pl.data.list_agreement import BLOCK, refuse_other_lists
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.op.collective import rank
from vclr_pl.types import InputError


def compared(of_rank):
    try:
        refuse_other_lists(Manifest.from_pairs(of_rank[rank()]), name="training videos")
    except InputError as error:
        return str(error)
    return ""


def listed(count, **changed):
    return [(changed.get(f"at_{number}", f"{number}.mp4"), 0) for number in range(count)]


@pytest.mark.parametrize("count", [1, BLOCK, BLOCK + 3])
def test_equal_lists_pass(two_processes, count):
    assert two_processes(compared, (listed(count), listed(count))) == ["", ""]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (listed(5, at_3="x.mp4"), "5 on rank 0 and 5 on rank 1; video 3 is '3.mp4' (class 0) on rank 0 and 'x.mp4' (class 0) on rank 1"),
        (listed(4), "5 on rank 0 and 4 on rank 1; video 4 is '4.mp4' (class 0) on rank 0 and absent on rank 1"),
    ],
)
def test_the_first_difference_is_named(two_processes, other, said):
    found = two_processes(compared, (listed(5), other))
    assert all(said in line for line in found)


def test_a_difference_past_the_first_block_is_found(two_processes):
    last = BLOCK + 2
    found = two_processes(compared, (listed(BLOCK + 3), listed(BLOCK + 3, **{f"at_{last}": "x.mp4"})))
    assert all(f"video {last} is '{last}.mp4'" in line for line in found)
