"""RankMe of a table, against NumPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.evaluation.tables import table

from vclr_pl.evaluation.rank_me import RankMe
from vclr_pl.types import InputError


def of(features: torch.Tensor) -> float:
    return RankMe()(gallery=table(features, [-1] * len(features)), query=None)["rank_me"]


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_it_is_the_entropy_of_the_singular_values_by_numpy(shape):
    features = torch.randn(*shape, generator=torch.Generator().manual_seed(1)) + 0.5
    singular = np.linalg.svd(features.numpy().astype(np.float64), compute_uv=False)
    share = singular / singular.sum()
    assert of(features) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-3)


@pytest.mark.parametrize("rank", [1, 3, 16])
def test_orthogonal_features_of_rank_r_give_r(rank):
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0]
    assert of(torch.from_numpy(rotation[:rank]).float().repeat(64 // rank, 1)) == pytest.approx(rank, rel=1e-3)


def test_one_repeated_feature_gives_one():
    assert of(torch.tensor([[3.0, 1.0, 2.0]]).repeat(30, 1)) == pytest.approx(1.0, abs=1e-3)


def test_more_rows_than_a_block_are_one_table():
    features = torch.randn(9000, 4, generator=torch.Generator().manual_seed(2)) * torch.tensor([8.0, 4.0, 2.0, 1.0])
    share = np.linalg.svd(features.double().numpy(), compute_uv=False)
    share /= share.sum()
    assert of(features) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-4)


@pytest.mark.parametrize("features", [torch.empty(0, 3), torch.tensor([[1.0, float("nan")]])])
def test_nothing_and_what_is_no_number_are_refused(features):
    with pytest.raises(InputError):
        of(features)
