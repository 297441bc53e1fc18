"""The weighted vote against a loop, against scikit-learn's weights, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from vclr_pl.evaluation.neighbors import NearestNeighbor
from vclr_pl.types import FeatureTable, InputError


def table(features: torch.Tensor, label: list[int] | torch.Tensor) -> FeatureTable:
    rows = torch.arange(len(features))
    return FeatureTable(features=features.float(), label=torch.as_tensor(label), video_index=rows, path=("",) * len(features))


def random_tables(seed: int) -> tuple[FeatureTable, FeatureTable]:
    generator = torch.Generator().manual_seed(seed)
    center = torch.randn(6, 10, generator=generator)
    label = torch.randint(6, (180,), generator=generator)
    features = center[label] + 1.5 * torch.randn(180, 10, generator=generator)
    return table(features[:120], label[:120]), table(features[120:], label[120:])


@pytest.mark.parametrize(("neighbors", "temperature"), [(1, 0.07), (7, 0.07), (20, 0.5), (500, 0.1)])
def test_prediction_agrees_with_scikit_learns_weighted_vote(neighbors: int, temperature: float) -> None:
    gallery, query = random_tables(0)
    reference = KNeighborsClassifier(
        n_neighbors=min(neighbors, len(gallery)),
        metric="cosine",
        algorithm="brute",
        weights=lambda distance: np.exp((1.0 - distance) / temperature),
    ).fit(gallery.features.double().numpy(), gallery.label.numpy())
    predicted = reference.predict(query.features.double().numpy())
    ours = NearestNeighbor(neighbors=neighbors, temperature=temperature)
    assert ours.predict(gallery=gallery, query=query).tolist() == predicted.tolist()
    assert ours(gallery=gallery, query=query) == {"knn_top1": pytest.approx(100 * (predicted == query.label.numpy()).mean())}


def test_leaving_one_out_agrees_with_a_loop() -> None:
    gallery, _ = random_tables(1)
    unit = torch.nn.functional.normalize(gallery.features.double(), dim=1)
    right = 0
    for row in range(len(gallery)):
        cosine = {other: float(unit[row] @ unit[other]) for other in range(len(gallery)) if other != row}
        votes = dict.fromkeys(range(6), 0.0)
        for other in sorted(cosine, key=lambda other: -cosine[other])[:9]:
            votes[int(gallery.label[other])] += math.exp(cosine[other] / 0.2)
        right += max(votes, key=lambda label: votes[label]) == int(gallery.label[row])
    assert NearestNeighbor(neighbors=9, temperature=0.2)(gallery=gallery, query=None) == {
        "knn_top1": pytest.approx(100 * right / len(gallery))
    }


def test_temperature_decides_between_one_near_and_two_far() -> None:
    gallery = table(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, -0.6]]), [0, 1, 1])
    query = table(torch.tensor([[1.0, 0.0]]), [1])
    # exp(1/T) against 2 exp(0.8/T): equal at T = 0.2 / log 2 = 0.289
    assert NearestNeighbor(neighbors=3, temperature=0.28).predict(gallery=gallery, query=query).tolist() == [0]
    assert NearestNeighbor(neighbors=3, temperature=0.30).predict(gallery=gallery, query=query).tolist() == [1]


def test_equal_votes_go_to_the_lower_class() -> None:
    gallery = table(torch.tensor([[0.6, 0.8], [0.6, -0.8]]), [4, 2])
    query = table(torch.tensor([[1.0, 0.0]]), [2])
    assert NearestNeighbor(neighbors=2, temperature=0.07).predict(gallery=gallery, query=query).tolist() == [2]


def test_a_low_temperature_does_not_overflow() -> None:
    gallery = table(torch.tensor([[0.8, 0.6], [0.6, -0.8]]), [4, 2])
    query = table(torch.tensor([[1.0, 0.0]]), [2])
    assert NearestNeighbor(neighbors=2, temperature=1e-4).predict(gallery=gallery, query=query).tolist() == [4]


@pytest.mark.parametrize(("neighbors", "temperature"), [(0, 0.07), (5, 0.0), (5, -1.0)])
def test_figures_out_of_range_are_refused(neighbors: int, temperature: float) -> None:
    with pytest.raises(InputError, match="neighbors of 1 or more and a temperature above 0"):
        NearestNeighbor(neighbors=neighbors, temperature=temperature)
