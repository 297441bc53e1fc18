"""Against scikit-learn's average precision, by hand, and in small blocks."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import average_precision_score
from tests.unit.evaluation.tables import drawn_table, table

from vclr_pl.evaluation import neighbors as module
from vclr_pl.evaluation.neighbors import average_precision


@pytest.mark.parametrize("keys_per_block", [8_000_000, 1, 130])
def test_equals_scikit_learn(monkeypatch: pytest.MonkeyPatch, keys_per_block: int) -> None:
    monkeypatch.setattr(module, "KEYS_PER_BLOCK", keys_per_block)
    gallery, query = drawn_table(videos=40, classes=4), drawn_table(videos=11, classes=4, seed=1)
    cosine = torch.nn.functional.cosine_similarity(query.features.double()[:, None], gallery.features.double()[None], dim=2)
    expected = [average_precision_score(gallery.label == query.label[row], cosine[row]) for row in range(len(query))]
    assert average_precision(gallery=gallery, query=query).tolist() == pytest.approx(expected)


def test_leaving_one_out_does_not_find_itself() -> None:
    angles = torch.deg2rad(torch.tensor([0.0, 10.0, 21.0]))
    gallery = table(torch.stack((angles.cos(), angles.sin()), dim=1), [0, 1, 0])
    # 0 sees 1 then 2: precision 1/2; 1 has nobody of its class; 2 sees 1 then 0: 1/2
    assert average_precision(gallery=gallery, query=None).tolist() == [0.5, 0.0, 0.5]


def test_ties_stand_in_order_of_the_gallery() -> None:
    gallery = table(torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), [1, 0, 0])
    query = table(torch.tensor([[3.0, 0.0]]), [0])
    assert average_precision(gallery=gallery, query=query).tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2])
