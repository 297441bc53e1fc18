"""Pooling over frames, against loops in NumPy, and what it keeps of the order of events."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tests.unit.features.pretrained_file import small_backbone

from vclr_pl.features.encoder import FrozenEncoder, load_encoder
from vclr_pl.features.pooling import MEAN, FramePooling, frame_pooling
from vclr_pl.types import InputError


def by_hand(features: np.ndarray, segments: int) -> np.ndarray:
    frames = len(features)
    parts = []
    for segment in range(segments):
        start, end = segment * frames // segments, -(-(segment + 1) * frames // segments)
        parts.append(sum(features[place] for place in range(start, end)) / (end - start))
    return np.concatenate(parts)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 7, 30])
@pytest.mark.parametrize("segments", [1, 2, 3, 4])
def test_equal_segments_by_hand(frames: int, segments: int) -> None:
    features = torch.randn(frames, 5, generator=torch.Generator().manual_seed(frames))
    found = FramePooling(segments)(features)
    np.testing.assert_allclose(found.numpy(), by_hand(features.double().numpy(), segments), rtol=1e-5, atol=1e-6)
    assert torch.equal(FramePooling(segments)(features[None].repeat(2, 1, 1))[1], found)


def test_four_frames_in_three_segments() -> None:
    features = torch.tensor([[0.0], [10.0], [20.0], [60.0]])
    assert FramePooling(3)(features).tolist() == [5.0, 15.0, 40.0]
    assert FramePooling(3)(features[:2]).tolist() == [0.0, 5.0, 10.0]


def test_the_mean_is_that_of_torch_to_the_bit() -> None:
    features = torch.randn(2, 13, 64)
    assert torch.equal(MEAN(features), features.mean(dim=1))
    assert torch.equal(MEAN(features[0]), features[0].mean(dim=0))


def six_orders() -> torch.Tensor:
    """uint8 `[6, 12, 3, 32, 32]`: three events of four frames each, in all orders."""
    events = torch.randint(0, 80, (3, 4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    events += torch.tensor([0, 80, 160], dtype=torch.uint8)[:, None, None, None, None]
    return torch.stack([events[list(order)].flatten(0, 1) for order in itertools.permutations(range(3))])


def features_of(**view: object) -> tuple[FrozenEncoder, torch.Tensor]:
    encoder = load_encoder("random", backbone=small_backbone(), view={"crop_pixels": 32, **view})
    return encoder, encoder(encoder.normalize(six_orders().flatten(0, 1)).unflatten(0, (6, 12)))


def test_the_mean_has_no_order_and_segments_have() -> None:
    encoder, means = features_of()
    assert encoder.feature_dim == means.shape[1] == 8
    torch.testing.assert_close(means, means[:1].expand(6, -1))
    encoder, segments = features_of(pooling="segments")
    assert encoder.feature_dim == segments.shape[1] == 24
    distances = torch.cdist(segments, segments)
    assert distances[~torch.eye(6, dtype=torch.bool)].min() > 0.1 * segments.norm(dim=1).mean()


def test_bad_options_are_one_line() -> None:
    with pytest.raises(InputError, match=r"expected protocol\.pooling=mean or segments; got max\. Set protocol\.pooling=mean"):
        frame_pooling(pooling="max", pooling_segments=3)
    with pytest.raises(InputError, match=r"protocol\.pooling_segments of 1 or more; got 0"):
        frame_pooling(pooling="segments", pooling_segments=0)
    assert frame_pooling(pooling="mean", pooling_segments=3) == frame_pooling(pooling="segments", pooling_segments=1) == MEAN
