"""Overlap of stretches against a loop."""

from __future__ import annotations

import pytest
import torch
from tests.reference.bmn_loops import tiou

from vclr_pl.op.temporal_iou import intersection, overlap_fraction, temporal_iou

FIRST = [[0.0, 1.0], [2.0, 6.0], [3.0, 3.5]]
SECOND = [[0.5, 1.5], [7.0, 9.0], [3.0, 3.5], [-1.0, 10.0]]


def stretches(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_tiou_of_every_pair() -> None:
    found = temporal_iou(first_M2=stretches(FIRST), second_N2=stretches(SECOND))
    expected = [[tiou((a, b), (c, d)) for c, d in SECOND] for a, b in FIRST]
    assert found.tolist() == [pytest.approx(row) for row in expected]
    assert found[2, 2] == 1.0


def test_nothing_in_common_and_nothing_at_all() -> None:
    assert intersection(first_M2=stretches([[0.0, 1.0]]), second_N2=stretches([[1.0, 2.0]])).item() == 0.0
    empty = stretches([[1.0, 1.0]])
    assert temporal_iou(first_M2=empty, second_N2=empty).item() == 0.0


def test_fraction_of_the_first() -> None:
    found = overlap_fraction(first_M2=stretches([[0.0, 4.0]]), second_N2=stretches([[3.0, 10.0], [1.0, 2.0]]))
    assert found.tolist() == [[0.25, 0.25]]
