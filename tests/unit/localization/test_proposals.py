"""Candidates and soft-NMS against loops; seconds against a hand's arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reference import bmn_loops

from vclr_pl.localization.proposals import ProposalMaker, VideoPrediction, candidates, soft_nms


def drawn(positions: int, seed: int = 0) -> VideoPrediction:
    generator = np.random.default_rng(seed)
    return VideoPrediction(
        regression=generator.random((positions, positions)),
        classification=generator.random((positions, positions)),
        start=generator.random(positions),
        end=generator.random(positions),
    )


@pytest.mark.parametrize("fraction", [0.5, 0.99])
def test_candidates_are_the_loops(fraction: float) -> None:
    prediction = drawn(15)
    product = prediction.classification * prediction.regression
    expected = bmn_loops.candidates(prediction.start.tolist(), prediction.end.tolist(), lambda d, s: float(product[d, s]), fraction)
    found = candidates(prediction, likely_fraction=fraction)
    np.testing.assert_allclose(sorted(found.tolist()), sorted(expected))
    assert len(found) > 5


@pytest.mark.parametrize("rounds", [1, 7, 500])
def test_soft_nms_is_the_loop(rounds: int) -> None:
    generator = np.random.default_rng(1)
    times = np.sort(generator.random((60, 2)), axis=1)
    proposals = np.column_stack([times, generator.random(60)])
    found = soft_nms(proposals, alpha=0.4, low_threshold=0.5, high_threshold=0.9, rounds=rounds)
    expected = bmn_loops.soft_nms(proposals.tolist(), alpha=0.4, low=0.5, high=0.9, rounds=rounds)
    np.testing.assert_allclose(found[np.argsort(-found[:, 2])], expected)


def maker(maximum: int) -> ProposalMaker:
    return ProposalMaker(likely_fraction=0.5, alpha=0.4, low_threshold=0.5, high_threshold=0.9, maximum_proposals=maximum)


def test_proposals_are_in_seconds_and_best_first() -> None:
    found = maker(10).proposals(drawn(20), duration_seconds=40.0)
    assert len(found) == 10
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(0.0 <= one.start_seconds < one.end_seconds <= 40.0 for one in found)
    assert all((one.start_seconds / 2.0) == pytest.approx(round(one.start_seconds / 2.0)) for one in found)


def test_flat_probabilities_give_the_forced_pair_at_least() -> None:
    flat = VideoPrediction(regression=np.zeros((4, 4)), classification=np.zeros((4, 4)), start=np.zeros(4), end=np.zeros(4))
    found = maker(10).proposals(flat, duration_seconds=8.0)
    assert [(one.start_seconds, one.end_seconds, one.score) for one in found] == [(0.0, 6.0, 0.0)]
