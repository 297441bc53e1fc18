"""Labels against loops over cells and anchors.
Each loss against a loop over entries; batches that lack a group have finite losses and gradients.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.reference import bmn_loops
from tests.unit.localization.networks import FEATURES, POSITIONS, SEGMENTS, published_loss, small_bmn

from vclr_pl.localization.bmn import BoundaryPrediction
from vclr_pl.localization.loss import BoundaryMap, balanced_logistic, sampled_regression

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


RANGE = (1.05, 21.0)


@pytest.mark.parametrize("positives", [0, 1, 5, 30])
def test_balanced_logistic_is_the_loop(positives: int) -> None:
    probability = torch.rand(30, dtype=torch.float64)
    positive = torch.arange(30) < positives
    found = balanced_logistic(probability=probability, positive=positive, balance_range=RANGE)
    assert found.item() == pytest.approx(bmn_loops.balanced_logistic(probability.tolist(), positive.tolist()), rel=1e-6)


def test_entries_that_do_not_count_change_nothing() -> None:
    probability, positive = torch.rand(30, dtype=torch.float64), torch.arange(30) < 4
    counted = torch.arange(30) < 20
    found = balanced_logistic(probability=probability, positive=positive, balance_range=RANGE, counted=counted)
    expected = bmn_loops.balanced_logistic(probability[:20].tolist(), positive[:20].tolist())
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "overlap",
    [
        [0.0, 0.1, 0.2, 0.25, 0.4, 0.5, 0.6, 0.8, 0.9],
        [0.8, 0.9, 0.95, 0.5, 0.1],  # more high cells than others
        [0.8, 0.9],  # no middle, no low ones
        [0.8, 0.5],
        [0.8, 0.1],
        [0.5, 0.1, 0.2],  # no high ones
        [0.0, 0.0],
    ],
)
def test_regression_is_the_loop(overlap: list[float]) -> None:
    generator = torch.Generator().manual_seed(3)
    predicted, first, second = (torch.rand(len(overlap), generator=generator, dtype=torch.float64) for _ in range(3))
    predicted.requires_grad_()
    shaped = torch.tensor(overlap, dtype=torch.float64)[None, None]
    found = sampled_regression(
        predicted_BDS=predicted[None, None],
        tiou_BDS=shaped,
        uniform_2BDS=torch.stack([first, second])[:, None, None],
        high_tiou=0.7,
        low_tiou=0.3,
    )
    assert found.item() == pytest.approx(
        bmn_loops.sampled_regression(predicted.tolist(), overlap, (first.tolist(), second.tolist())), rel=1e-6
    )
    found.backward()
    assert predicted.grad is not None
    assert bool(torch.isfinite(predicted.grad).all())


@pytest.mark.parametrize("segments", [SEGMENTS, SEGMENTS[2:], [torch.tensor([[0.5, 0.5001]])]])
def test_any_batch_has_a_finite_loss(segments: list[torch.Tensor]) -> None:
    """Videos without segments, and segments far shorter than a position."""
    network = small_bmn()
    labels = BoundaryMap(positions=POSITIONS, window_positions=3.0)(segments)
    prediction: BoundaryPrediction = network(torch.randn(len(segments), FEATURES, POSITIONS))
    uniform = torch.rand(2, len(segments), POSITIONS, POSITIONS)
    losses = published_loss()(prediction, labels, valid_DS=network.valid, uniform_2BDS=uniform)
    losses.total.backward()
    assert all(bool(torch.isfinite(value).all()) for value in vars(losses).values())
    assert all(parameter.grad is None or bool(torch.isfinite(parameter.grad).all()) for parameter in network.parameters())
    expected = losses.boundary + 10 * losses.regression + losses.classification
    torch.testing.assert_close(losses.total, expected)
