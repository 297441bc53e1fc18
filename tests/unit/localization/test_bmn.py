"""The sparse mask and its product against loops over cells.
The network's shapes and names, and its map against the published order of the same layers.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.reference import bmn_loops
from tests.unit.localization.networks import FEATURES, POSITIONS, small_bmn

from vclr_pl.localization.bmn import BMN, BoundaryMatching, sampling_mask
from vclr_pl.types import InputError


@pytest.mark.parametrize(("positions", "samples", "points", "ratio"), [(7, 4, 3, 0.5), (12, 2, 1, 0.25), (9, 5, 2, 0.0), (1, 2, 3, 0.5)])
def test_the_mask_is_the_loops(positions: int, samples: int, points: int, ratio: float) -> None:
    mask = sampling_mask(positions=positions, samples=samples, points_per_sample=points, boundary_ratio=ratio)
    expected = bmn_loops.sampling_mask(positions=positions, samples=samples, points=points, ratio=ratio)
    np.testing.assert_allclose(mask.dense(samples=samples), expected, atol=1e-7)
    assert mask.valid.sum() == positions * (positions + 1) // 2
    assert mask.values.dtype == np.float32


def matching() -> BoundaryMatching:
    return BoundaryMatching(positions=9, samples=4, points_per_sample=3, boundary_ratio=0.5).double()


def sampled_first(features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """The published order: every cell's samples, then the weights."""
    mask = sampling_mask(positions=9, samples=4, points_per_sample=3, boundary_ratio=0.5)
    dense = torch.from_numpy(mask.dense(samples=4)).double()
    found = torch.einsum("bct,tnds,ocn->dsbo", features, dense, weight) + bias
    return found[torch.from_numpy(mask.valid)]


def test_the_product_and_its_gradients_are_those_of_the_published_order() -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(size, generator=generator, dtype=torch.float64) for size in ((2, 3, 9), (5, 3, 4), (5,))]
    both = []
    for product in (matching(), sampled_first):
        arguments = [value.clone().requires_grad_() for value in drawn]
        found = product(*arguments)
        found.square().sum().backward()
        both.append([found.detach(), *(argument.grad for argument in arguments)])
    for own, expected in zip(*both, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-6, atol=1e-6)  # the mask is in float32


def test_sixteen_bits_go_through_the_product_in_float32() -> None:
    module = BoundaryMatching(positions=9, samples=4, points_per_sample=3, boundary_ratio=0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(torch.randn(1, 3, 9), torch.randn(5, 3, 4), torch.randn(5))
    assert found.dtype == torch.float32


def test_nothing_of_it_is_in_a_checkpoint() -> None:
    assert not matching().state_dict()


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
