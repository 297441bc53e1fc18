"""Crop tables of training, and that all frames of a video share one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.recognition_crop import MultiScaleVideoCrop, RandomResizedVideoCrop, cropped_to, resized_short_side
from vclr_pl.types import InputError

SCALES = (1, 0.875, 0.75, 0.66)


def multi_scale(positions, *, size_pixels=224, short_side_pixels=256):
    return MultiScaleVideoCrop(short_side_pixels=short_side_pixels, size_pixels=size_pixels, scales=SCALES, positions=positions)


def test_sizes_are_neighbors_in_the_scales():
    """256, 224, 192, 168 pixels; height and width one step apart at most: 10 pairs."""
    crops = multi_scale(5).crops(height=256, width=340)
    assert {(height, width) for _, _, height, width in crops} == {
        *((side, side) for side in (256, 224, 192, 168)),
        *((256, 224), (224, 256), (224, 192), (192, 224), (192, 168), (168, 192)),
    }
    assert len(crops) == 10 * 5


@pytest.mark.parametrize("positions", [5, 13])
def test_the_places_of_a_crop(positions):
    """224 of 256 x 340: 32 rows and 116 columns are left, in quarters of 8 and 29."""
    places = [(top, left) for top, left, height, width in multi_scale(positions).crops(height=256, width=340) if height == width == 224]
    five = [(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)]
    more = [(16, 0), (16, 116), (32, 58), (0, 58), (8, 29), (8, 87), (24, 29), (24, 87)]
    assert places == (five if positions == 5 else [*five, *more])


def test_every_crop_is_as_likely():
    transform = multi_scale(13, size_pixels=8, short_side_pixels=16)
    crops = transform.crops(height=16, width=20)
    frame = torch.randint(256, (3, 16, 20), dtype=torch.uint8)
    generator, counts = np.random.default_rng(0), np.zeros(len(crops))
    table = [cropped_to(frame, crop, size_pixels=8) for crop in crops]
    for _ in range(200):
        found = transform.geometry(frame, generator)
        counts += [torch.equal(found, other) for other in table]
    assert counts.max() < 12
    assert (counts > 0).sum() > 80


def test_a_crop_near_the_outputs_size_is_of_that_size():
    crops = MultiScaleVideoCrop(short_side_pixels=257, size_pixels=224, scales=(1, 0.875), positions=5).crops(height=257, width=300)
    assert {side for _, _, *sides in crops for side in sides} == {257, 224}
    small = multi_scale(5, size_pixels=32, short_side_pixels=30).crops(height=30, width=40)
    assert max(side for _, _, *sides in small for side in sides) == 30


@pytest.mark.parametrize(
    "transform",
    [
        multi_scale(13, size_pixels=12, short_side_pixels=20),
        RandomResizedVideoCrop(short_side_pixels=20, size_pixels=12, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
    ],
    ids=["multi scale", "random resized"],
)
def test_frames_of_a_video_share_their_crop(transform):
    frames = torch.randint(256, (3, 4, 30, 40), dtype=torch.uint8)
    found = transform.geometry(frames, np.random.default_rng(3))
    assert (found.shape, found.dtype) == ((3, 4, 12, 12), torch.uint8)
    for number in range(4):
        assert torch.equal(found[:, number], transform.geometry(frames[:, number], np.random.default_rng(3)))
    assert not torch.equal(found, transform.geometry(frames, np.random.default_rng(4)))


def test_the_short_side_comes_first():
    frame = torch.randint(256, (3, 30, 40), dtype=torch.uint8)
    assert torch.equal(resized_short_side(frame, short_side_pixels=15), functional.resize(frame, [15, 20], antialias=True))
    assert resized_short_side(frame, short_side_pixels=30) is frame
    assert resized_short_side(frame.transpose(1, 2), short_side_pixels=60).shape == (3, 80, 60)


def test_areas_are_within_the_scale():
    transform = RandomResizedVideoCrop(short_side_pixels=64, size_pixels=8, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3))
    generator = np.random.default_rng(0)
    crops = [transform._crop.draw_crop(height=64, width=64, generator=generator) for _ in range(300)]
    areas = [height * width / 64**2 for _, _, height, width in crops]
    assert 0.07 < min(areas) < 0.12
    assert 0.9 < max(areas) <= 1.0


def test_options_out_of_range_are_told():
    with pytest.raises(InputError, match=r"5 or 13 positions; got transform\.positions=9"):
        multi_scale(9)
    with pytest.raises(InputError, match=r"transform\.scales=\[1\.5\]"):
        MultiScaleVideoCrop(short_side_pixels=256, size_pixels=224, scales=[1.5], positions=5)
