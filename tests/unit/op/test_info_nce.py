from __future__ import annotations

import math

import pytest
import torch

from vclr_pl.op.info_nce import contrast_logits, info_nce, share_above


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
    assert share_above(torch.tensor([[1.0, 2.0]]), torch.tensor([1.0, 1.0])).item() == 50.0
