import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.contrastive import ContrastiveTransform

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
    view = TRANSFORM.geometry(frame, np.random.default_rng(5))
    assert (view.dtype, tuple(view.shape)) == (torch.uint8, (3, 32, 32))
    assert torch.equal(view, functional.resized_crop(frame, *place, [32, 32], antialias=True))


def test_frames_with_rows_of_pixels_underneath_give_the_same_view():
    frame = torch.randint(0, 256, (1, 3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    interleaved = frame.contiguous(memory_format=torch.channels_last)
    planar_view, interleaved_view = (TRANSFORM.geometry(one[0], np.random.default_rng(1)) for one in (frame, interleaved))
    assert int((planar_view.int() - interleaved_view.int()).abs().max()) <= 1


def test_a_clips_frames_share_one_crop():
    clip = torch.randint(0, 256, (3, 4, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    views = TRANSFORM.geometry(clip, np.random.default_rng(2))
    assert tuple(views.shape) == (3, 4, 32, 32)
    for moment in range(4):
        assert torch.equal(views[:, moment], TRANSFORM.geometry(clip[:, moment], np.random.default_rng(2)))


def test_every_call_draws_anew_and_a_seed_repeats_it():
    frame = torch.randint(0, 256, (3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    generator = np.random.default_rng(7)
    first, second = TRANSFORM.geometry(frame, generator), TRANSFORM.geometry(frame, generator)
    assert not torch.equal(first, second)
    assert torch.equal(first, TRANSFORM.geometry(frame, np.random.default_rng(7)))
