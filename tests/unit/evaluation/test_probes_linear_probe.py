"""The probe is the published machine: its optimum is checked from the formula, not only by calling the same library."""

from __future__ import annotations

import pytest
import torch
from sklearn.svm import LinearSVC

from vclr_pl.evaluation.probes import LinearProbe
from vclr_pl.types import FeatureTable, InputError


def table(features: torch.Tensor, label: torch.Tensor | list[int]) -> FeatureTable:
    rows = torch.arange(len(features))
    return FeatureTable(features=features.float(), label=torch.as_tensor(label), video_index=rows, path=("",) * len(features))


def random_tables(*, noise: float = 1.0) -> tuple[FeatureTable, FeatureTable]:
    generator = torch.Generator().manual_seed(0)
    center = torch.randn(5, 8, generator=generator)
    label = torch.randint(5, (300,), generator=generator)
    features = center[label] + noise * torch.randn(300, 8, generator=generator)
    return table(features[:200], label[:200]), table(features[200:], label[200:])


def by_newton(gallery: FeatureTable, query: FeatureTable, regularization_c: float) -> torch.Tensor:
    """argmax_c w_c x with w_c minimizing |w|^2 / 2 + C sum max(0, 1 - y w x)^2, by full Newton steps."""
    features = gallery.features.double()
    scores = []
    for one in sorted(set(gallery.label.tolist())):
        sign = torch.where(gallery.label == one, 1.0, -1.0).double()
        weight = torch.zeros(features.shape[1], dtype=torch.float64)
        for _ in range(50):
            active = sign * (features @ weight) < 1
            gradient = weight + 2 * regularization_c * features[active].T @ (features[active] @ weight - sign[active])
            hessian = torch.eye(len(weight)).double() + 2 * regularization_c * features[active].T @ features[active]
            weight = weight - torch.linalg.solve(hessian, gradient)
        assert gradient.norm() < 1e-8
        scores.append(query.features.double() @ weight)
    return torch.stack(scores, dim=1).argmax(dim=1)


@pytest.mark.parametrize("regularization_c", [1.0, 0.01])
def test_accuracy_is_that_of_the_formulas_optimum(regularization_c: float) -> None:
    gallery, query = random_tables()
    expected = 100 * (by_newton(gallery, query, regularization_c) == query.label).double().mean().item()
    assert LinearProbe(regularization_c=regularization_c)(gallery=gallery, query=query) == {
        "linear_top1": pytest.approx(expected, abs=1.01)
    }


def test_accuracy_is_that_of_the_published_call() -> None:
    gallery, query = random_tables()
    machine = LinearSVC(dual=False, C=1.0, fit_intercept=False).fit(gallery.features.double().numpy(), gallery.label.numpy())
    expected = 100 * machine.score(query.features.double().numpy(), query.label.numpy())
    assert LinearProbe(regularization_c=1.0)(gallery=gallery, query=query) == {"linear_top1": pytest.approx(expected)}


def test_features_are_taken_as_they_are() -> None:
    # all on one side of the origin: without a bias and without centering, one of the two classes is lost
    features = torch.tensor([[1.0], [1.1], [5.0], [5.2]])
    probe = LinearProbe(regularization_c=1.0)
    assert probe(gallery=table(features, [0, 0, 1, 1]), query=table(features, [0, 0, 1, 1])) == {"linear_top1": 50.0}


def test_it_is_the_same_twice_and_nothing_without_queries() -> None:
    gallery, query = random_tables(noise=3.0)
    probe = LinearProbe(regularization_c=1.0)
    assert probe(gallery=gallery, query=query) == probe(gallery=gallery, query=query)
    assert probe(gallery=gallery, query=None) == {}


def test_a_class_that_the_gallery_lacks_is_missed() -> None:
    gallery = table(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), [0, 3])
    query = table(torch.tensor([[2.0, 0.1], [0.1, 2.0], [1.0, 0.0]]), [0, 3, 1])
    assert LinearProbe(regularization_c=1.0)(gallery=gallery, query=query) == {"linear_top1": pytest.approx(200 / 3)}


def test_a_single_class_is_refused() -> None:
    with pytest.raises(InputError, match="two classes or more"):
        LinearProbe(regularization_c=1.0)(gallery=table(torch.ones(3, 2), [1, 1, 1]), query=table(torch.ones(1, 2), [1]))


def test_c_must_be_positive() -> None:
    with pytest.raises(InputError, match="regularization_c above 0"):
        LinearProbe(regularization_c=0.0)
