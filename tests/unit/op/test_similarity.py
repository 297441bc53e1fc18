from __future__ import annotations

import pytest
import torch

from vclr_pl.op.similarity import at_least_float32, contrast_metrics, ema_update, feature_spread, segment_consensus, unit_norm


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(torch.bfloat16, torch.float32), (torch.float16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_only_low_precision_is_widened(given: torch.dtype, wanted: torch.dtype) -> None:
    assert at_least_float32(torch.ones(2, dtype=given)).dtype == wanted
    assert unit_norm(torch.ones(2, 2, dtype=given)).dtype == wanted


def test_norms_are_one_along_the_axis_asked_for() -> None:
    features = torch.randn(2, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(unit_norm(features, dim=1).norm(dim=1), torch.ones(2, 4, dtype=torch.float64))
    torch.testing.assert_close(unit_norm(features).norm(dim=2), torch.ones(2, 3, dtype=torch.float64))


def test_it_is_the_mean_over_segments() -> None:
    assert segment_consensus(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])).tolist() == [[2.0, 4.0]]


def test_every_element_moves_by_its_share() -> None:
    own, other = [torch.tensor([1.0, 2.0]), torch.tensor([[4.0]])], [torch.tensor([3.0, 2.0]), torch.tensor([[0.0]])]
    ema_update(own, other, momentum=0.75)
    assert [tensor.tolist() for tensor in own] == [[1.5, 2.0], [[3.0]]]
    assert other[0].tolist() == [3.0, 2.0]


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
