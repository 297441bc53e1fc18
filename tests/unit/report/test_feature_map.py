"""The map against scikit-learn's PCA."""

from __future__ import annotations

import pytest
import torch
from sklearn.decomposition import PCA

from vclr_pl.report.feature_map import feature_map, mapped_places, principal_components
from vclr_pl.types import FeatureTable


@pytest.mark.parametrize(("videos", "width"), [(40, 6), (500, 300), (300, 500)])
def test_equals_scikit_learn_up_to_sign_and_scale(videos: int, width: int) -> None:
    features = torch.randn(videos, width, generator=torch.Generator().manual_seed(0)) * torch.linspace(2, 0.1, width)
    places, share = principal_components(features)
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    reference = PCA(2, svd_solver="full").fit(unit.numpy())
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


def table(videos: int) -> FeatureTable:
    features = torch.randn(videos, 5, generator=torch.Generator().manual_seed(videos))
    numbers = torch.arange(videos)
    return FeatureTable(features=features, label=numbers * 0, video_index=numbers, path=tuple(map(str, range(videos))))


def test_the_whole_gallery_is_on_the_map() -> None:
    tables = {"gallery": table(50), "query": table(3)}
    places = mapped_places(tables, most=5000)
    assert places == tuple(("gallery", row) for row in range(50)) + tuple(("query", row) for row in range(3))
    positions, note = feature_map(places, tables)
    assert len(positions) == 53
    assert note.startswith("First two principal components (PCA) of all 53 videos, with ")


@pytest.mark.parametrize(
    ("gallery", "query", "expected"), [(1000, None, (100, 0)), (1000, 1, (99, 1)), (1000, 400, (50, 50)), (20, 400, (20, 80))]
)
def test_a_large_gallery_is_thinned_out_evenly_and_queries_remain(gallery: int, query: int | None, expected: tuple[int, int]) -> None:
    tables = {"gallery": table(gallery), **({} if query is None else {"query": table(query)})}
    places = mapped_places(tables, most=100)
    assert tuple(sum(role == name for role, _ in places) for name in ("gallery", "query")) == expected
    rows = [row for role, row in places if role == "gallery"]
    assert rows[0] == 0
    assert max(rows) >= gallery * (1 - 2 / len(rows))
    assert "evenly spaced in the list (page.map_points)" in feature_map(places, tables)[1]


def test_two_videos_make_no_map() -> None:
    assert feature_map((("gallery", 0), ("gallery", 1)), {"gallery": table(2)}) == ([], "")
    assert mapped_places({"gallery": table(9)}, most=0) == ()
