"""Crop tables of training, and that all frames of a video share one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.data.transform.test_color_augmentation import PUBLISHED, in_unit_range
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.color_augmentation import ColorAugmentation
from vclr_pl.data.transform.crop import (
    ContrastiveTransform,
    MultiScaleVideoCrop,
    PublishedTransform,
    RandomResizedVideoCrop,
    cropped_to,
    resized_short_side,
)
from vclr_pl.types import InputError

TRANSFORM = ContrastiveTransform(size_pixels=32, scale=[0.2, 1.0], ratio=[3 / 4, 4 / 3])


@pytest.mark.parametrize(("height", "width"), [(256, 340), (90, 400), (400, 60)])
def test_crops_are_distributed_as_torchvisions(height, width):
    generator = np.random.default_rng(0)
    ours = np.array([TRANSFORM.draw_crop(height=height, width=width, generator=generator) for _ in range(6_000)], dtype=float)
    theirs_transform = v2.RandomResizedCrop(32, scale=(0.2, 1.0))
    torch.manual_seed(0)
    picture = torch.empty(3, height, width)
    drawn = (theirs_transform.make_params([picture]) for _ in range(6_000))
    theirs = np.array([[crop["top"], crop["left"], crop["height"], crop["width"]] for crop in drawn], dtype=float)
    side = np.array([height, width, height, width])
    for quantile in (0.02, 0.25, 0.5, 0.75, 0.98):
        apart = np.abs(np.quantile(ours, quantile, axis=0) - np.quantile(theirs, quantile, axis=0)) / side
        assert apart.max() < 0.03


def test_the_view_is_torchvisions_resized_crop_of_the_drawn_place():
    frame = torch.randint(0, 256, (3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    place = TRANSFORM.draw_crop(height=60, width=80, generator=np.random.default_rng(5))
    view = TRANSFORM.crop(frame, np.random.default_rng(5))
    assert (view.dtype, tuple(view.shape)) == (torch.uint8, (3, 32, 32))
    assert torch.equal(view, functional.resized_crop(frame, *place, [32, 32], antialias=True))


def test_frames_with_rows_of_pixels_underneath_give_the_same_view():
    frame = torch.randint(0, 256, (1, 3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    interleaved = frame.contiguous(memory_format=torch.channels_last)
    planar_view, interleaved_view = (TRANSFORM.crop(one[0], np.random.default_rng(1)) for one in (frame, interleaved))
    assert int((planar_view.int() - interleaved_view.int()).abs().max()) <= 1


def test_a_clips_frames_share_one_crop():
    clip = torch.randint(0, 256, (3, 4, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    views = TRANSFORM.crop(clip, np.random.default_rng(2))
    assert tuple(views.shape) == (3, 4, 32, 32)
    for moment in range(4):
        assert torch.equal(views[:, moment], TRANSFORM.crop(clip[:, moment], np.random.default_rng(2)))


def test_every_call_draws_anew_and_a_seed_repeats_it():
    frame = torch.randint(0, 256, (3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    generator = np.random.default_rng(7)
    first, second = TRANSFORM.crop(frame, generator), TRANSFORM.crop(frame, generator)
    assert not torch.equal(first, second)
    assert torch.equal(first, TRANSFORM.crop(frame, np.random.default_rng(7)))


SIZE_PIXELS = 48
SHAPE = {"size_pixels": SIZE_PIXELS, "scale": [0.2, 1.0], "ratio": [3 / 4, 4 / 3]}
PHOTOMETRIC = ColorAugmentation(**PUBLISHED)
PUBLISHED_TRANSFORM = PublishedTransform(**SHAPE, color_augmentation=PHOTOMETRIC)


def smooth_frame() -> torch.Tensor:
    """Colors that change slowly, as in a photograph: rounding and borders stay small."""
    rows, columns = torch.meshgrid(torch.linspace(0, 3, 90), torch.linspace(0, 4, 120), indexing="ij")
    waves = torch.stack([torch.sin(rows + columns), torch.cos(rows - columns), torch.sin(2 * rows)])
    return ((waves + 1) * 100 + 25).to(torch.uint8)


def test_the_same_draws_make_the_same_picture_as_the_batched_way():
    """PIL rounds to 8 bits after every operation and blurs by three boxes: 1% apart on average, not more."""
    frame, crop = smooth_frame(), ContrastiveTransform(**SHAPE)
    for seed in range(40):
        published = PUBLISHED_TRANSFORM.crop(frame, np.random.default_rng(seed))
        generator = np.random.default_rng(seed)
        view = crop.crop(frame, generator)
        batched = in_unit_range(PHOTOMETRIC.apply(view[None], PHOTOMETRIC.draw(1, generator)))[0]
        assert (published.dtype, tuple(published.shape)) == (torch.uint8, (3, SIZE_PIXELS, SIZE_PIXELS))
        assert float((published / 255 - batched).abs().mean()) < 0.01, seed


def test_a_clips_frames_share_one_draw():
    clip = torch.stack([smooth_frame(), smooth_frame().flip(-1)], dim=1)
    views = PUBLISHED_TRANSFORM.crop(clip, np.random.default_rng(0))
    assert tuple(views.shape) == (3, 2, SIZE_PIXELS, SIZE_PIXELS)
    for moment in range(2):
        assert torch.equal(views[:, moment], PUBLISHED_TRANSFORM.crop(clip[:, moment], np.random.default_rng(0)))


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
        found = transform.crop(frame, generator)
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
    found = transform.crop(frames, np.random.default_rng(3))
    assert (found.shape, found.dtype) == ((3, 4, 12, 12), torch.uint8)
    for number in range(4):
        assert torch.equal(found[:, number], transform.crop(frames[:, number], np.random.default_rng(3)))
    assert not torch.equal(found, transform.crop(frames, np.random.default_rng(4)))


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
