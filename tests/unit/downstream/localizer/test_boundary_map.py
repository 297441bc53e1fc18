"""Labels against loops over cells and anchors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.reference import bmn_loops

from vclr_pl.downstream.localizer.boundary_map import BoundaryMap

CASES = [[(0.1, 0.55), (0.6, 0.95)], [(0.0, 1.0)], [(0.31, 0.33)], []]


@pytest.mark.parametrize("positions", [5, 10])
def test_labels_are_the_loops(positions: int) -> None:
    labels = BoundaryMap(positions=positions, window_positions=3.0)([torch.tensor(case).reshape(-1, 2) for case in CASES])
    for row, case in enumerate(CASES):
        overlap, start, end = bmn_loops.labels(positions=positions, segments=case, window=3.0)
        for own, expected in ((labels.tiou[row], overlap), (labels.start[row], start), (labels.end[row], end)):
            np.testing.assert_allclose(own.numpy(), expected, atol=2e-7)
    assert labels.tiou.dtype == labels.start.dtype == torch.float32


def test_a_cell_that_is_the_segment_has_one() -> None:
    labels = BoundaryMap(positions=10, window_positions=3.0)([torch.tensor([[0.2, 0.5]])])
    assert labels.tiou[0, 2, 2] == 1.0
    assert labels.start[0].argmax() in (1, 2)
