from __future__ import annotations

import math

import pytest
import torch

from vclr_pl.op.info_nce import ContrastLogits, contrast_logits, info_nce, top1_accuracy


def test_large_logits_neither_overflow_nor_vanish() -> None:
    hopeless = ContrastLogits(positive=torch.tensor([[-1000.0]]), negative=torch.tensor([[1000.0]]))
    certain = ContrastLogits(positive=torch.tensor([[1000.0]]), negative=torch.tensor([[-1000.0]]))
    assert info_nce(hopeless).item() == 2000.0
    assert info_nce(certain).item() == 0.0


def test_masked_negatives_do_not_count() -> None:
    query, positive, negative = torch.eye(2), torch.eye(2).unsqueeze(0), torch.eye(2)
    masked = contrast_logits(query_ND=query, positive_VND=positive, negative_KD=negative, temperature=1.0, masked_NK=torch.eye(2).bool())
    assert info_nce(masked).item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert masked.stacked()[0].tolist() == [1.0, float("-inf"), 0.0]


def test_a_tie_is_a_miss() -> None:
    logits = ContrastLogits(positive=torch.tensor([[1.0, 2.0]]), negative=torch.tensor([[1.0], [1.0]]))
    assert top1_accuracy(logits).item() == 50.0
