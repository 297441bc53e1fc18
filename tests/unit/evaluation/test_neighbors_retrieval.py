"""R@k on hand-made tables, against a loop, and against scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from vclr_pl.evaluation.neighbors import Retrieval
from vclr_pl.types import FeatureTable, InputError


def table(features: torch.Tensor, label: list[int] | torch.Tensor, class_names: tuple[str, ...] = ()) -> FeatureTable:
    rows = torch.arange(len(features))
    paths = tuple(f"{row}.mp4" for row in rows.tolist())
    return FeatureTable(features=features.float(), label=torch.as_tensor(label), video_index=rows, path=paths, class_names=class_names)


def on_circle(*degrees: float) -> torch.Tensor:
    angle = torch.deg2rad(torch.tensor(degrees))
    return torch.stack((angle.cos(), angle.sin()), dim=1)


GALLERY = table(on_circle(0, 10, 21, 33, 46), [0, 1, 1, 2, 0], ("zero", "one", "two"))


def test_a_hit_is_a_video_of_the_class_among_the_nearest() -> None:
    # nearest first: 1: 0 1 2 3 4 -> classes 0 1 1 2 0;   41: 0 2 1 1 0;   another -2: 0 1 1 2 0
    query = table(on_circle(1, 41, -2), [1, 1, 2])
    assert Retrieval(ranks=[1, 2, 3, 4, 5])(gallery=GALLERY, query=query) == {
        "retrieval_r1": 0.0,
        "retrieval_r2": pytest.approx(100 / 3),
        "retrieval_r3": pytest.approx(200 / 3),
        "retrieval_r4": 100.0,
        "retrieval_r5": 100.0,
    }


def test_the_published_ranks_by_name_and_a_rank_above_the_gallery_asks_all_of_it() -> None:
    scores = Retrieval(ranks=[1, 5, 10, 20, 50])(gallery=GALLERY, query=table(on_circle(1, 2), [2, 7]))
    assert scores == {"retrieval_r1": 0.0, "retrieval_r5": 50.0, "retrieval_r10": 50.0, "retrieval_r20": 50.0, "retrieval_r50": 50.0}


def test_without_queries_each_asks_the_others() -> None:
    # nearest of each: 1, 0, 1, 2, 3
    assert Retrieval(ranks=[1])(gallery=GALLERY, query=None) == {"retrieval_r1": 20.0}


def test_of_equally_near_videos_the_first_counts() -> None:
    twice = table(on_circle(5, 5, 90), [1, 0, 2])
    assert Retrieval(ranks=[1])(gallery=twice, query=table(on_circle(5), [0])) == {"retrieval_r1": 0.0}
    assert Retrieval(ranks=[1])(gallery=twice, query=table(on_circle(5), [1])) == {"retrieval_r1": 100.0}


def test_the_length_of_a_feature_says_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    gallery, query = torch.randn(40, 5, generator=generator), torch.randn(20, 5, generator=generator)
    labels = torch.randint(4, (60,), generator=generator)
    scaled = gallery * torch.rand(40, 1, generator=generator).mul(9).add(0.1)
    protocol = Retrieval(ranks=[1, 3])
    assert protocol(gallery=table(gallery, labels[:40]), query=table(query, labels[40:])) == protocol(
        gallery=table(scaled, labels[:40]), query=table(query, labels[40:])
    )


def test_first_neighbor_agrees_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(1)
    gallery, query = torch.randn(200, 16, generator=generator), torch.randn(77, 16, generator=generator)
    labels = torch.randint(5, (277,), generator=generator)
    reference = KNeighborsClassifier(n_neighbors=1, metric="cosine", algorithm="brute").fit(gallery.numpy(), labels[:200].numpy())
    expected = 100 * reference.score(query.numpy(), labels[200:].numpy())
    assert Retrieval(ranks=[1])(gallery=table(gallery, labels[:200]), query=table(query, labels[200:])) == {
        "retrieval_r1": pytest.approx(expected)
    }


@pytest.mark.parametrize("ranks", [[], [0], [5, -1]])
def test_ranks_that_are_none_are_refused(ranks: list[int]) -> None:
    with pytest.raises(InputError, match="ranks of 1 or more"):
        Retrieval(ranks=ranks)
