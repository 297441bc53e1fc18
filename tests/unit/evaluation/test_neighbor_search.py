"""Against a full sort in plain Python; ties, blocks, and memory.
The same as the exact search where the index is exact.
"""

from __future__ import annotations

import math

import pytest
import torch
from tests.unit.evaluation.tables import drawn_table
from torch import Tensor

from vclr_pl.evaluation import neighbor_search
from vclr_pl.evaluation.neighbor_search import FaissSearch, nearest_neighbors, require_neighbors
from vclr_pl.evaluation.neighbors import Retrieval
from vclr_pl.types import InputError


def sorted_by_hand(gallery: Tensor, query: Tensor, neighbors: int, *, leave_one_out: bool = False) -> list[list[int]]:
    """All cosines with math.fsum, all sorted: nearest first, then lower row first."""

    def cosine(a: list[float], b: list[float]) -> float:
        length = math.sqrt(math.fsum(x * x for x in a)) * math.sqrt(math.fsum(y * y for y in b))
        return math.fsum(x * y for x, y in zip(a, b, strict=True)) / length if length else 0.0

    found = []
    for asking, one in enumerate(query.tolist()):
        rows = [row for row in range(len(gallery)) if not (leave_one_out and row == asking)]
        cosines = {row: round(cosine(gallery[row].tolist(), one), 10) for row in rows}
        found.append(sorted(rows, key=lambda row: (-cosines[row], row))[:neighbors])
    return found


def small_blocks(monkeypatch: pytest.MonkeyPatch, *, query_rows: int, gallery_rows: int) -> None:
    monkeypatch.setattr(neighbor_search, "QUERY_ROWS_PER_BLOCK", query_rows)
    monkeypatch.setattr(neighbor_search, "GALLERY_ROWS_PER_BLOCK", gallery_rows)


@pytest.mark.parametrize(("query_rows", "gallery_rows"), [(512, 16384), (1, 1), (4, 7), (3, 30), (9, 31)])
@pytest.mark.parametrize("neighbors", [1, 5, 30, 100])
def test_equals_a_full_sort_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch, query_rows: int, gallery_rows: int, neighbors: int
) -> None:
    small_blocks(monkeypatch, query_rows=query_rows, gallery_rows=gallery_rows)
    generator = torch.Generator().manual_seed(0)
    gallery, query = torch.randn(30, 6, generator=generator), torch.randn(9, 6, generator=generator) * 100
    found = nearest_neighbors(gallery_GF=gallery, query_QF=query, neighbors=neighbors)
    assert found.index.tolist() == sorted_by_hand(gallery, query, neighbors)


@pytest.mark.parametrize("gallery_rows", [16384, 1, 7, 16])
def test_equally_near_rows_stand_in_order_of_the_gallery(monkeypatch: pytest.MonkeyPatch, gallery_rows: int) -> None:
    small_blocks(monkeypatch, query_rows=512, gallery_rows=gallery_rows)
    kinds = torch.randint(-50, 50, (3, 515), generator=torch.Generator().manual_seed(1)).float()
    gallery = kinds[torch.arange(50) % 3] * torch.arange(1, 51)[:, None]  # of any whole length: unit rows differ in their last bits
    found = nearest_neighbors(gallery_GF=gallery, query_QF=kinds[1:2], neighbors=20)
    assert found.index.tolist() == sorted_by_hand(gallery, kinds[1:2], 20)
    assert found.index[0, :17].tolist() == list(range(1, 50, 3))


def test_each_row_asks_the_others_and_may_find_its_copy() -> None:
    gallery = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = nearest_neighbors(gallery_GF=gallery, query_QF=None, neighbors=10)
    assert found.index.tolist() == [[1, 3, 2], [0, 3, 2], [3, 0, 1], [0, 1, 2]]


@pytest.mark.parametrize(("query_rows", "gallery_rows"), [(512, 16384), (2, 3)])
def test_leaving_one_out_equals_a_full_sort(monkeypatch: pytest.MonkeyPatch, query_rows: int, gallery_rows: int) -> None:
    small_blocks(monkeypatch, query_rows=query_rows, gallery_rows=gallery_rows)
    gallery = torch.randn(11, 4, generator=torch.Generator().manual_seed(2))
    found = nearest_neighbors(gallery_GF=gallery, query_QF=None, neighbors=4)
    assert found.index.tolist() == sorted_by_hand(gallery, gallery, 4, leave_one_out=True)


def test_similarity_is_the_cosine_also_where_negative() -> None:
    gallery = torch.tensor([[2.0, 0.0], [-3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    found = nearest_neighbors(gallery_GF=gallery, query_QF=torch.tensor([[5.0, 0.0]]), neighbors=4)
    assert found.index.tolist() == [[0, 2, 3, 1]]
    torch.testing.assert_close(found.similarity, torch.tensor([[1.0, 0.5**0.5, 0.0, -1.0]], dtype=torch.float64), atol=6e-11, rtol=0)


def test_no_matrix_of_all_queries_by_all_gallery_rows_stands_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch, query_rows=8, gallery_rows=16)
    monkeypatch.setattr(neighbor_search, "VALUES_PER_RANKING", 8 * 18 * 3)
    largest = []
    topk = Tensor.topk
    monkeypatch.setattr(Tensor, "topk", lambda self, *args, **kwargs: largest.append(self.numel()) or topk(self, *args, **kwargs))
    features = torch.randn(100, 3, generator=torch.Generator().manual_seed(3))
    nearest_neighbors(gallery_GF=features, query_QF=features, neighbors=2)
    assert max(largest) <= 8 * (16 + 2 + neighbor_search.SPARE_CANDIDATES)


def test_where_float32_cannot_tell_float64_decides() -> None:
    """All candidates lie within float32's error of one another, and the true order is told by the last digits."""
    generator = torch.Generator().manual_seed(4)
    near = torch.ones(60, 64) + 1e-6 * torch.randn(60, 64, generator=generator)
    found = nearest_neighbors(gallery_GF=near, query_QF=torch.ones(1, 64), neighbors=3)
    assert found.index.tolist() == sorted_by_hand(near, torch.ones(1, 64), 3)


def test_random_features_with_ties_equal_a_full_sort_in_float64() -> None:
    generator = torch.Generator().manual_seed(5)
    gallery = torch.randn(700, 33, generator=generator)
    gallery[200:500] = gallery[torch.randint(0, 200, (300,), generator=generator)]
    query = torch.cat((gallery[::50], torch.randn(20, 33, generator=generator)))
    unit = torch.nn.functional.normalize
    cosine = (unit(query.double(), dim=1) @ unit(gallery.double(), dim=1).T).div(1e-10).round()
    expected = torch.sort(cosine, dim=1, descending=True, stable=True).indices[:, :50]
    assert torch.equal(nearest_neighbors(gallery_GF=gallery, query_QF=query, neighbors=50).index, expected)


@pytest.mark.parametrize(
    ("gallery", "leave_one_out", "neighbors", "told"),
    [
        (1, True, 3, "two or more readable videos"),
        (0, False, 3, "a readable gallery video"),
        (9, False, 0, "neighbors of 1"),
        (9, True, 0, "neighbors of 1"),
    ],
)
def test_what_finds_no_neighbor_is_refused(gallery: int, leave_one_out: bool, neighbors: int, told: str) -> None:
    require_neighbors(gallery=2, leave_one_out=True, neighbors=1)
    require_neighbors(gallery=1, leave_one_out=False, neighbors=1)
    with pytest.raises(InputError, match=told):
        require_neighbors(gallery=gallery, leave_one_out=leave_one_out, neighbors=neighbors)


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
