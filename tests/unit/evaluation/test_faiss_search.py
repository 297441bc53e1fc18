"""The same as the exact search where the index is exact."""

from __future__ import annotations

import sys

import pytest
import torch
from tests.unit.evaluation.tables import drawn_table

from vclr_pl.evaluation.faiss_search import FaissSearch, training_places
from vclr_pl.evaluation.neighbor_search import nearest_neighbors
from vclr_pl.evaluation.retrieval import Retrieval
from vclr_pl.types import InputError


@pytest.fixture
def flat() -> FaissSearch:
    pytest.importorskip("faiss", reason="faiss is an option: pip install faiss-cpu")
    return FaissSearch(index="Flat", training_rows=1000, probes=1)


@pytest.mark.parametrize("leave_one_out", [False, True])
def test_equals_the_exact_search(flat: FaissSearch, leave_one_out: bool) -> None:
    gallery = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    query = None if leave_one_out else torch.randn(30, 16, generator=torch.Generator().manual_seed(1))
    exact = nearest_neighbors(gallery_GF=gallery, query_QF=query, neighbors=10)
    found = flat(gallery_GF=gallery, query_QF=query, neighbors=10)
    assert torch.equal(found.index, exact.index)
    torch.testing.assert_close(found.similarity, exact.similarity, atol=1e-5, rtol=0)


def test_a_measure_takes_it(flat: FaissSearch) -> None:
    gallery, query = drawn_table(videos=60, classes=4), drawn_table(videos=30, classes=4, seed=1)
    exact = Retrieval(ranks=[1, 5])(gallery=gallery, query=query)
    assert Retrieval(ranks=[1, 5], search=flat)(gallery=gallery, query=query) == exact


def test_an_index_that_finds_too_few_is_refused() -> None:
    pytest.importorskip("faiss", reason="faiss is an option: pip install faiss-cpu")
    features = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="probes"):
        FaissSearch(index="IVF8,Flat", training_rows=400, probes=1)(gallery_GF=features, query_QF=features[:3], neighbors=399)


@pytest.mark.parametrize("index", ["IVF8,Flat", "PCA4,IVF8,Flat"])
def test_probes_reach_an_inverted_index_behind_a_transform(index: str) -> None:
    pytest.importorskip("faiss", reason="faiss is an option: pip install faiss-cpu")
    features = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    found = FaissSearch(index=index, training_rows=400, probes=8)(gallery_GF=features, query_QF=features[:3], neighbors=399)
    assert found.index.shape == (3, 399)


def test_no_more_rows_train_an_index_than_are_said() -> None:
    assert training_places(rows=6, wanted=9).tolist() == [0, 1, 2, 3, 4, 5]
    assert training_places(rows=6, wanted=4).tolist() == [0, 1, 3, 4]
    assert training_places(rows=199_999, wanted=100_000).shape == (100_000,)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="faiss-cpu"):
        FaissSearch(index="Flat", training_rows=10, probes=1)
