from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.unit.objective.drawn import unit_rows

from vclr_pl.op import contrast
from vclr_pl.op.contrast import (
    at_least_float32,
    contrast_logits,
    contrast_metrics,
    ema_update,
    feature_spread,
    info_nce,
    pool_negatives,
    rank_me,
    segment_consensus,
    top1_accuracy,
    unit_norm,
)


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
    without = contrast_metrics(query_BD=query, key_BD=key)
    assert without == {name: value for name, value in metrics.items() if name != "queue_similarity"}


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


@pytest.mark.parametrize("block_rows", [1, 3, 7, 100])
@pytest.mark.parametrize("masked", [False, True])
def test_blocks_give_what_all_logits_at_once_give(block_rows: int, masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrast, "CPU_BLOCK_BYTES", 4 * 5 * block_rows)
    query, rows = unit_rows(5, 4, seed=1).requires_grad_(), unit_rows(17, 4, seed=2)
    mask = torch.rand(5, 17, generator=torch.Generator().manual_seed(3)) < 0.4 if masked else None
    pool = pool_negatives(query_ND=query, negative_KD=rows, temperature=0.07, masked_NK=mask)
    weights = torch.arange(1.0, 6.0, dtype=torch.float64)
    (own,) = torch.autograd.grad(pool.logsumexp @ weights, query)

    logits = query @ rows.t() / 0.07
    logits = logits if mask is None else logits.masked_fill(mask, float("-inf"))
    (whole,) = torch.autograd.grad(logits.logsumexp(1) @ weights, query)
    torch.testing.assert_close(pool.logsumexp, logits.logsumexp(1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(pool.maximum, logits.amax(1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(own, whole, rtol=1e-10, atol=1e-12)


def test_blocks_are_as_large_as_the_device_takes() -> None:
    """On a CPU 1 MiB of logits; on a GPU all rows of the published queue for 256 queries, in float16 no more than it can sum."""
    assert contrast.block_rows(queries=32, device="cpu", product_dtype=torch.bfloat16) == 8192
    assert contrast.block_rows(queries=256, device="cuda", product_dtype=torch.bfloat16) == 131_072
    assert contrast.block_rows(queries=32, device="cuda", product_dtype=torch.float16) <= torch.finfo(torch.float16).max
    assert contrast.block_rows(queries=10**9, device="cpu", product_dtype=torch.float32) == 1


def test_a_query_whose_negatives_are_all_masked_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrast, "CPU_BLOCK_BYTES", 4 * 2)
    query = unit_rows(1, 4, seed=1).requires_grad_()
    pool = pool_negatives(
        query_ND=query, negative_KD=unit_rows(5, 4, seed=2), temperature=0.1, masked_NK=torch.ones(1, 5, dtype=torch.bool)
    )
    torch.nn.functional.softplus(pool.logsumexp).sum().backward()
    assert pool.logsumexp.item() == float("-inf")
    assert query.grad is not None
    assert query.grad.tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_products_run_in_the_autocast_dtype_and_sums_in_float32() -> None:
    query, rows = unit_rows(8, 16, seed=1).float().requires_grad_(), unit_rows(300, 16, seed=2).float()
    exact = pool_negatives(query_ND=query, negative_KD=rows, temperature=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = pool_negatives(query_ND=query, negative_KD=rows, temperature=0.1)
    assert rounded.logsumexp.dtype == torch.float32
    assert not torch.equal(rounded.logsumexp, exact.logsumexp)
    torch.testing.assert_close(rounded.logsumexp, exact.logsumexp, rtol=0.02, atol=0.02)


def test_a_concentrated_queue_does_not_overflow_float16() -> None:
    """131,072 rows as near as the nearest: their weights sum past what float16 holds, block by block they do not."""
    query = torch.nn.functional.normalize(torch.ones(1, 4), dim=1).requires_grad_()
    rows = torch.nn.functional.normalize(torch.ones(131072, 4), dim=1)
    with torch.autocast("cpu", dtype=torch.float16):
        pool = pool_negatives(query_ND=query, negative_KD=rows, temperature=0.1)
    pool.logsumexp.sum().backward()
    assert query.grad is not None
    torch.testing.assert_close(query.grad, torch.full((1, 4), 5.0), rtol=0.01, atol=0.0)


def test_large_logits_neither_overflow_nor_vanish() -> None:
    hopeless = info_nce(positive_VN=torch.tensor([[-1000.0]]), negative_logsumexp_N=torch.tensor([1000.0]))
    certain = info_nce(positive_VN=torch.tensor([[1000.0]]), negative_logsumexp_N=torch.tensor([-1000.0]))
    assert hopeless.item() == 2000.0
    assert certain.item() == 0.0


def test_masked_negatives_do_not_count() -> None:
    query, positive, negative = torch.eye(2), torch.eye(2).unsqueeze(0), torch.eye(2)
    masked = contrast_logits(query_ND=query, positive_VND=positive, negative_KD=negative, temperature=1.0, masked_NK=torch.eye(2).bool())
    loss = info_nce(positive_VN=masked.positive, negative_logsumexp_N=masked.negative.logsumexp(1))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert masked.stacked()[0].tolist() == [1.0, float("-inf"), 0.0]


def test_low_precision_is_widened() -> None:
    loss = info_nce(positive_VN=torch.ones(1, 2, dtype=torch.bfloat16), negative_logsumexp_N=torch.ones(2, dtype=torch.bfloat16))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(math.log(2))


def test_a_tie_is_a_miss() -> None:
    assert top1_accuracy(torch.tensor([[1.0, 2.0]]), torch.tensor([1.0, 1.0])).item() == 50.0


@pytest.mark.parametrize(("rows", "columns"), [(200, 16), (9, 16)])
def test_rank_me_is_the_papers_formula(rows, columns):
    features = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))
    singular = np.linalg.svd(features.double().numpy(), compute_uv=False)
    share = singular / singular.sum() + 1e-7
    assert rank_me(features) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-4)


def test_rank_me_counts_the_dimensions_in_use():
    assert rank_me(torch.eye(8).repeat(4, 1)) == pytest.approx(8.0, rel=1e-4)
    assert rank_me(torch.ones(32, 8)) == pytest.approx(1.0, abs=1e-3)
