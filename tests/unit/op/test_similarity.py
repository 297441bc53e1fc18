from __future__ import annotations

import pytest
import torch

from vclr_pl.op.similarity import contrast_metrics, feature_spread


def test_metrics_equal_their_definition_pair_by_pair() -> None:
    query, key, queue = (
        torch.nn.functional.normalize(torch.randn(rows, 6, generator=torch.Generator().manual_seed(rows), dtype=torch.float64), dim=1)
        for rows in (5, 50, 9)
    )
    key = key[:5]
    metrics = contrast_metrics(query_BD=query, key_BD=key, queue_KD=queue)
    pairs = [(i, j, float(query[i] @ key[j])) for i in range(5) for j in range(5)]
    assert metrics["positive_similarity"].item() == pytest.approx(sum(s for i, j, s in pairs if i == j) / 5)
    assert metrics["batch_similarity"].item() == pytest.approx(sum(s for i, j, s in pairs if i != j) / 20)
    assert metrics["queue_similarity"].item() == pytest.approx(sum(float(q @ k) for q in query for k in queue) / 45)
    hits = [max(range(5), key=lambda j: float(query[i] @ key[j])) == i for i in range(5)]
    assert metrics["batch_accuracy"].item() == pytest.approx(100 * sum(hits) / 5)


def test_spread_is_zero_for_one_direction_and_one_for_opposite_ones() -> None:
    assert feature_spread(torch.tensor([[1.0, 0.0], [5.0, 0.0]])).item() == 0.0
    assert feature_spread(torch.tensor([[1.0, 0.0], [-5.0, 0.0]])).item() == 1.0


def test_a_single_video_has_no_other() -> None:
    one = torch.tensor([[1.0, 0.0]])
    assert contrast_metrics(query_BD=one, key_BD=one, queue_KD=one)["batch_similarity"].item() == 0.0


def test_a_long_queue_is_sampled_evenly() -> None:
    queue = torch.zeros(3 * 4096, 2)
    queue[::3, 0] = 1.0  # every third row, and only these, are like the query
    query = torch.tensor([[1.0, 0.0]])
    assert contrast_metrics(query_BD=query, key_BD=query, queue_KD=queue)["queue_similarity"].item() == 1.0


def test_autocast_does_not_round_similarities() -> None:
    query = torch.tensor([[0.8, 0.6]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        metrics = contrast_metrics(query_BD=query, key_BD=torch.tensor([[1.0, 0.0]]), queue_KD=query)
    assert metrics["positive_similarity"].item() == pytest.approx(0.8, abs=1e-6)
    assert metrics["queue_similarity"].item() == pytest.approx(1.0, abs=1e-6)
