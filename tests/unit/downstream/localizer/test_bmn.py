"""The network's shapes and names, and its map against the published order of the same layers."""

from __future__ import annotations

import pytest
import torch
from tests.reference import bmn_loops
from tests.unit.downstream.localizer.networks import FEATURES, POSITIONS, small_bmn

from vclr_pl.downstream.localizer.bmn import BMN
from vclr_pl.downstream.localizer.boundary_matching import sampling_mask
from vclr_pl.types import InputError


def test_the_map_is_that_of_sampling_first() -> None:
    network = small_bmn().double()
    features = torch.randn(2, FEATURES, POSITIONS, dtype=torch.float64)
    prediction = network(features)
    mask = sampling_mask(positions=POSITIONS, samples=4, points_per_sample=3, boundary_ratio=0.5)
    described = network.x_1d_p(network.x_1d_b(torch.nn.functional.pad(features, (0, 0, 0, 2))))
    expected = bmn_loops.confidence_map(network, described, torch.from_numpy(mask.dense(samples=4)).double())
    torch.testing.assert_close(torch.stack([prediction.regression, prediction.classification], dim=1), expected)
    assert prediction.start.shape == prediction.end.shape == (2, POSITIONS)


@pytest.mark.parametrize("feature_dim", [1, 4, 6, 201])
def test_features_may_have_any_dimension(feature_dim: int) -> None:
    prediction = small_bmn(feature_dim=feature_dim)(torch.randn(1, feature_dim, POSITIONS))
    assert bool(torch.isfinite(prediction.regression).all())


def test_a_published_file_loads_as_it_is() -> None:
    network, state = small_bmn(seed=1), small_bmn(seed=2).state_dict()
    network.load_state_dict({**state, "sample_mask": torch.zeros(3, 3)})
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    with pytest.raises(RuntimeError, match="Unexpected"):
        network.load_state_dict({**state, "other": torch.zeros(1)})


def test_channels_that_do_not_split_are_refused() -> None:
    with pytest.raises(InputError, match="hidden_1d"):
        BMN(feature_dim=4, positions=5, boundary_ratio=0.5, samples=2, points_per_sample=2, hidden_1d=6, hidden_2d=4, hidden_3d=4)


def test_a_video_does_not_see_its_neighbors() -> None:
    network = small_bmn()
    features = torch.randn(3, FEATURES, POSITIONS)
    torch.testing.assert_close(network(features).classification[1:2], network(features[1:2]).classification)
