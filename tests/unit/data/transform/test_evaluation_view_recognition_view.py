"""Whole tables of what the test sees: which frames, which crops, mirrored or not."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.evaluation_view import RecognitionView
from vclr_pl.types import InputError


def view(*, crops="center", segments=4, crop_pixels=16, short_side_pixels=20):
    return RecognitionView(
        segments=segments,
        crop_pixels=crop_pixels,
        short_side_pixels=short_side_pixels,
        crops=crops,
        mean=(0.5, 0.25, 0.0),
        std=(0.5, 0.25, 1.0),
    )


@pytest.mark.parametrize(
    ("crops", "crop_pixels", "size", "expected"),
    [
        ("center", 256, (256, 340), [(0, 42, False)]),
        ("center", 224, (256, 340), [(16, 58, False)]),
        ("center", 224, (341, 256), [(58, 16, False)]),
        ("three", 256, (256, 340), [(0, 0, False), (0, 84, False), (0, 42, False)]),
        ("three", 256, (256, 341), [(0, 0, False), (0, 84, False), (0, 42, False)]),
        ("three", 256, (340, 256), [(0, 0, False), (84, 0, False), (42, 0, False)]),
        ("three", 256, (256, 256), [(0, 0, False)] * 3),
        (
            "ten",
            224,
            (256, 340),
            [(top, left, flip) for top, left in ((0, 0), (0, 116), (32, 0), (32, 116), (16, 58)) for flip in (False, True)],
        ),
        (
            "ten",
            224,
            (455, 256),
            [(top, left, flip) for top, left in ((0, 0), (0, 32), (228, 0), (228, 32), (114, 16)) for flip in (False, True)],
        ),
    ],
)
def test_the_crops_of_a_frame(crops, crop_pixels, size, expected):
    found = view(crops=crops, crop_pixels=crop_pixels, short_side_pixels=256).test_crops(height=size[0], width=size[1])
    assert found == expected


@pytest.mark.parametrize(("crops", "count"), [("center", 1), ("three", 3), ("ten", 10)])
def test_the_pixels_of_the_crops(crops, count):
    """Crop by crop, within a crop frame by frame."""
    frames = torch.randint(256, (4, 3, 40, 60), dtype=torch.uint8)
    options = view(crops=crops)
    found = options.crop(frames)
    assert (found.shape, found.dtype) == ((4 * count, 3, 16, 16), torch.uint8)
    resized = functional.resize(frames, [20, 30], antialias=True)
    for number, (top, left, flip) in enumerate(options.test_crops(height=20, width=30)):
        expected = functional.crop(resized, top, left, 16, 16)
        assert torch.equal(found[4 * number : 4 * number + 4], functional.horizontal_flip(expected) if flip else expected)


def test_the_frames_of_a_video():
    assert view(segments=3).indices(10) == [1, 5, 8]
    assert view(segments=3).indices(1) == [0, 0, 0]
    assert view(segments=25).frames == 25


def test_normalization_is_that_of_any_view():
    frames = torch.full((1, 3, 2, 2), 51, dtype=torch.uint8)
    torch.testing.assert_close(view().normalize(frames)[0, :, 0, 0], torch.tensor([-0.6, -0.2, 0.2]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"segments": 0}, r"at least one test segment; got evaluation_view\.segments=0"),
        ({"crops": "five"}, "one of center, three, ten; got five"),
        ({"crop_pixels": 24}, r"evaluation_view\.crop_pixels=24, short_side_pixels=20"),
    ],
)
def test_options_out_of_range_are_told(change, told):
    with pytest.raises(InputError, match=told):
        view(**change)
