"""Groups against a search by hand, and the video to keep."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from vclr_pl.evaluation.duplicate_groups import VideoFacts, connected_rows, in_keeping_order, reason_to_keep, reason_to_remove


def reachable(pairs: list[list[int]], start: int) -> set[int]:
    """Rows reached from `start`, by walking until nothing is new."""
    seen: set[int] = set()
    fresh = {start}
    while fresh:
        seen |= fresh
        fresh = {other for one, two in pairs for own, other in ((one, two), (two, one)) if own in seen} - seen
    return seen


@pytest.mark.parametrize("pairs", [5, 12, 25])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_groups_are_what_can_be_reached(pairs: int, seed: int) -> None:
    drawn = torch.randint(0, 30, (pairs, 2), generator=torch.Generator().manual_seed(seed))
    drawn = drawn[drawn[:, 0] != drawn[:, 1]]
    groups = connected_rows(drawn, rows=30)
    assert sorted(row for group in groups for row in group) == sorted(set(drawn.flatten().tolist()))
    for group in groups:
        assert len(group) > 1
        assert set(group) == reachable(drawn.tolist(), group[0])


def test_no_pair_is_no_group() -> None:
    assert connected_rows(torch.empty(0, 2, dtype=torch.long), rows=3) == []


FACTS = [
    VideoFacts(width=640, height=360, seconds=9.0, kilobits_per_second=100),
    VideoFacts(width=320, height=240, seconds=10.04, kilobits_per_second=500),
    VideoFacts(width=240, height=320, seconds=10.01, kilobits_per_second=400),
    VideoFacts(width=320, height=240, seconds=9.0, kilobits_per_second=900),
    VideoFacts(),
]
PATHS = ("e", "d", "c", "b", "a")


@pytest.mark.parametrize("group", list(permutations(range(5)))[::7])
def test_resolution_then_length_then_bit_rate_whatever_the_order(group: tuple[int, ...]) -> None:
    assert in_keeping_order(group, facts=dict(enumerate(FACTS)), paths=PATHS) == [0, 1, 2, 3, 4]


def test_of_equals_the_first_path() -> None:
    assert in_keeping_order([0, 1, 2], facts=dict.fromkeys(range(3), FACTS[0]), paths=("b", "c", "a")) == [2, 0, 1]


@pytest.mark.parametrize(
    ("better", "worse", "keep", "remove"),
    [
        (0, 1, "most pixels", "fewer pixels"),
        (1, 3, "most pixels, then longest", "shorter"),
        (1, 2, "most pixels, then longest, then highest bit rate", "lower bit rate"),
        (1, 1, "most pixels, then longest, then highest bit rate, then first by path", "equal to the kept one"),
    ],
)
def test_reasons(better: int, worse: int, keep: str, remove: str) -> None:
    assert reason_to_keep(FACTS[better], [FACTS[4], FACTS[worse]]) == keep
    assert reason_to_remove(FACTS[worse], FACTS[better]) == remove


def test_only_what_decided_is_a_reason() -> None:
    assert reason_to_keep(FACTS[1], [FACTS[3]]) == "longest"
    assert reason_to_keep(FACTS[1], [FACTS[2]]) == "highest bit rate"
    assert reason_to_keep(FACTS[1], [FACTS[1]]) == "first by path"
    assert reason_to_keep(FACTS[1], [FACTS[3], FACTS[2]]) == "longest, then highest bit rate"
