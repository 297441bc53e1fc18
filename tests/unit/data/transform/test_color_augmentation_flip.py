"""A flip for all frames of a video, and the normalization against torchvision's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.color_augmentation import FlipAndNormalize
from vclr_pl.types import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def color_parameters(flip_probability=0.5):
    return FlipAndNormalize(flip_probability=flip_probability, mean=MEAN, std=STD)


def test_one_coin_for_all_frames():
    generator = np.random.default_rng(0)
    draws = [color_parameters().draw(8, generator) for _ in range(200)]
    assert all(draw.shape == (8, 1) and draw.dtype == torch.float32 and len(draw.unique()) == 1 for draw in draws)
    assert 70 < sum(int(draw[0]) for draw in draws) < 130
    assert not any(color_parameters(0.0).draw(8, generator).any() for _ in range(50))


@pytest.mark.parametrize("shape", [(4, 3, 6, 8), (4, 3, 2, 6, 8)], ids=["frames", "clips"])
def test_what_is_marked_is_mirrored(shape):
    views = torch.randint(256, shape, dtype=torch.uint8)
    found = color_parameters().apply(views, torch.tensor([[0.0], [1.0], [1.0], [0.0]]))
    for view, out, flipped in zip(views, found, (False, True, True, False), strict=True):
        pictures = view.transpose(0, 1) if view.ndim == 4 else view
        expected = functional.normalize(
            functional.to_dtype(functional.horizontal_flip(pictures) if flipped else pictures, scale=True), MEAN, STD
        )
        torch.testing.assert_close(out, expected.transpose(0, 1) if view.ndim == 4 else expected)
    assert found.dtype == torch.float32
    assert views.dtype == torch.uint8


def test_no_flip_where_left_and_right_matter():
    views = torch.randint(256, (2, 3, 4, 4), dtype=torch.uint8)
    torch.testing.assert_close(color_parameters(0.0).apply(views, torch.zeros(2, 1)), functional.normalize(views.float() / 255, MEAN, STD))


def test_no_probability_is_told():
    with pytest.raises(InputError, match=r"color_augmentation\.flip_probability=2"):
        color_parameters(2)
