"""The map against scikit-learn's PCA."""

from __future__ import annotations

import pytest
import torch
from sklearn.decomposition import PCA

from vclr_pl.report.page_content import principal_components


def test_equals_scikit_learn_up_to_sign_and_scale() -> None:
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    places, share = principal_components(features)
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    reference = PCA(2).fit(unit.numpy())
    expected = torch.from_numpy(reference.transform(unit.numpy()))
    for axis in (0, 1):
        together = torch.corrcoef(torch.stack((places[:, axis], expected[:, axis])))[0, 1]
        assert abs(float(together)) == pytest.approx(1)
    assert share == pytest.approx(100 * reference.explained_variance_ratio_.sum())
    assert (places.amin(dim=0).tolist(), places.amax(dim=0).tolist()) == ([0, 0], [1, 1])


def test_the_same_features_give_the_same_map_whatever_their_scale() -> None:
    features = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(principal_components(features)[0], principal_components(features * 7)[0])


@pytest.mark.parametrize("features", [torch.ones(3, 4), torch.ones(1, 4), torch.eye(3)[:, :1]])
def test_features_that_do_not_differ_stand_in_the_middle(features: torch.Tensor) -> None:
    places, _ = principal_components(features)
    assert places.shape == (len(features), 2)
    assert bool(torch.isfinite(places).all())
