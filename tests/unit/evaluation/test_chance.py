from __future__ import annotations

import pytest
import torch

from vclr_pl.evaluation.chance import chance_percent
from vclr_pl.evaluation.neighbors import Retrieval
from vclr_pl.types import FeatureTable

NAMES = ("retrieval_r1", "retrieval_r3", "retrieval_r20", "knn_top1", "retrieval_map", "linear_top1")


def table(*labels: int) -> FeatureTable:
    count = len(labels)
    return FeatureTable(
        features=torch.ones(count, 4), label=torch.tensor(labels), video_index=torch.arange(count), path=tuple(map(str, range(count)))
    )


GALLERY, QUERY = table(0, 0, 0, 0, 1, 1, 2), table(0, 1, 1, 3)  # no gallery video has class 3


@pytest.mark.parametrize("query", [QUERY, None], ids=["queries", "leave one out"])
def test_recall_is_that_of_random_features(query):
    draw = torch.Generator().manual_seed(0)

    def random(of):
        return None if of is None else FeatureTable(**{**vars(of), "features": torch.randn(len(of), 16, generator=draw)})

    retrieval, rounds = Retrieval(ranks=(1, 3, 20)), 2000
    sums = dict.fromkeys(("retrieval_r1", "retrieval_r3", "retrieval_r20"), 0.0)
    for _ in range(rounds):
        for name, value in retrieval(gallery=random(GALLERY), query=random(query)).items():
            sums[name] += value / rounds
    found = chance_percent(NAMES, gallery=GALLERY, query=query)
    assert {name: found[name] for name in sums} == pytest.approx(sums, abs=2.0)
    assert set(found) == {*sums, "knn_top1"}


def test_the_vote_of_one_random_neighbor():
    assert chance_percent(["knn_top1"], gallery=GALLERY, query=QUERY)["knn_top1"] == pytest.approx(100 * (4 + 2 + 2 + 0) / 7 / 4)
    assert chance_percent(["knn_top1"], gallery=GALLERY, query=None)["knn_top1"] == pytest.approx(100 * (4 * 3 + 2 * 1 + 0) / 6 / 7)


def test_a_large_gallery_has_its_chance():
    large = table(*(number % 400 for number in range(200_000)))
    assert chance_percent(["retrieval_r50"], gallery=large, query=table(7))["retrieval_r50"] == pytest.approx(11.76, abs=0.01)
