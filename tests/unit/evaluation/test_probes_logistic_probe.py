"""Against scikit-learn's logistic regression, in blocks, and with classes that the gallery lacks."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.unit.evaluation.tables import drawn_table, table

from vclr_pl.evaluation import probes
from vclr_pl.evaluation.probes import LogisticProbe
from vclr_pl.types import FeatureTable, InputError


def shifted(found: FeatureTable) -> FeatureTable:
    """Features of unlike size and place, as a network has them."""
    scale = torch.logspace(-3, 3, found.features.shape[1])
    return table(found.features * scale + 5 * scale, found.label)


@pytest.mark.parametrize("rows_per_block", [16384, 17])
def test_equals_scikit_learn_on_standardized_features(monkeypatch: pytest.MonkeyPatch, rows_per_block: int) -> None:
    monkeypatch.setattr(probes, "ROWS_PER_BLOCK", rows_per_block)
    gallery, query = shifted(drawn_table(videos=90, classes=5)), shifted(drawn_table(videos=40, classes=5, seed=1))
    scaler = StandardScaler().fit(gallery.features.double().numpy())
    theirs = LogisticRegression(C=0.5, tol=1e-9, max_iter=2000).fit(scaler.transform(gallery.features.double().numpy()), gallery.label)
    weight, bias = LogisticProbe(regularization_c=0.5, iterations=500, tolerance=1e-9).fit(gallery.features, gallery.label)
    ours = torch.softmax(query.features.double() @ weight.T + bias, dim=1)
    expected = theirs.predict_proba(scaler.transform(query.features.double().numpy()))
    torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-4, rtol=1e-3)


def test_top_one_top_five_and_the_mean_over_classes() -> None:
    gallery, query = drawn_table(videos=120, classes=8), drawn_table(videos=50, classes=8, seed=1)
    found = LogisticProbe(regularization_c=1.0, iterations=200, tolerance=1e-6)(gallery=gallery, query=query)
    assert set(found) == {"logistic_top1", "logistic_top5", "logistic_mean_class"}
    assert 100 / 8 < found["logistic_top1"] < found["logistic_top5"] <= 100


def test_a_class_that_the_gallery_lacks_is_wrong() -> None:
    gallery = table(torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 2.0]]), [1, 1, 4, 4])
    query = table(torch.tensor([[3.0, 0.0], [0.0, 3.0], [3.0, 0.0], [3.0, 0.0]]), [1, 4, 2, 9])
    scores = LogisticProbe(regularization_c=1.0, iterations=50, tolerance=1e-6).scores(gallery=gallery, query=query)
    assert scores is not None
    assert scores.values["logistic_top1"].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert scores.predicted is not None
    assert scores.predicted.tolist() == [1, 4, 1, 1]


def test_what_cannot_be_fitted_is_refused() -> None:
    probe = LogisticProbe(regularization_c=1.0, iterations=5, tolerance=1e-6)
    one_class = table(torch.eye(2), [3, 3])
    with pytest.raises(InputError, match="two classes"):
        probe(gallery=one_class, query=one_class)
    assert probe(gallery=one_class, query=None) == {}
    with pytest.raises(InputError, match="regularization_c"):
        LogisticProbe(regularization_c=0.0, iterations=5, tolerance=1e-6)
