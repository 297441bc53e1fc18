"""The side of the views in each epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.data.transform.resolution import ProgressiveResolution, progressive_resolution
from vclr_pl.types import InputError

CROP = ContrastiveTransform(size_pixels=224, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3))


def test_views_grow_in_steps_to_the_last_side():
    resolution = ProgressiveResolution(first_pixels=128, last_pixels=224, epochs=400)
    sides = [resolution.pixels(epoch) for epoch in range(400)]
    assert sorted(set(sides)) == [128, 160, 192, 224]
    assert sides == sorted(sides)
    assert (sides[0], sides[-1]) == (128, 224)
    assert np.mean(sides) == pytest.approx(176, abs=0.5)  # of 128 to 224, linear
    assert resolution.relative_work == pytest.approx(np.mean(np.square(sides)) / 224**2)


def test_small_views_grow_in_smaller_steps():
    sides = [ProgressiveResolution(first_pixels=32, last_pixels=48, epochs=6).pixels(epoch) for epoch in range(6)]
    assert sides == [32, 32, 40, 40, 48, 48]


def test_the_last_epoch_has_the_last_side_whatever_the_steps():
    assert ProgressiveResolution(first_pixels=30, last_pixels=50, epochs=1).pixels(0) == 50
    sides = [ProgressiveResolution(first_pixels=30, last_pixels=50, epochs=3).pixels(epoch) for epoch in range(3)]
    assert sides == [32, 40, 50]


def test_the_crop_of_an_epoch_has_its_side_and_the_same_window():
    resolution, frame = ProgressiveResolution(first_pixels=128, last_pixels=224, epochs=3), torch.zeros(3, 300, 200, dtype=torch.uint8)
    frame[:, 100:] = 255
    views = [resolution.crop_of(CROP, epoch=epoch).crop(frame, np.random.default_rng(0)) for epoch in range(3)]
    assert [view.shape[-1] for view in views] == [128, 192, 224]
    shares = [view.float().mean().item() / 255 for view in views]
    assert shares == pytest.approx([shares[0]] * 3, abs=0.01)
    assert CROP.size_pixels == 224


@pytest.mark.parametrize(
    ("first", "transform", "epochs", "told"),
    [
        (224, CROP, 10, "below transform.size_pixels=224"),
        (4, CROP, 10, "from 8 pixels"),
        (128, CROP, -1, "trainer.max_epochs"),
        (128, object(), 10, "a transform with size_pixels"),
    ],
)
def test_refused(first, transform, epochs, told):
    with pytest.raises(InputError, match=told):
        progressive_resolution(first, transform=transform, epochs=epochs)


def test_off():
    assert progressive_resolution(None, transform=object(), epochs=None) is None
