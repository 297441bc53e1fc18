import pytest
import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.color import blend, brighten_, change_contrast_, exchange, gray, saturate_, shift_hue, turn_picture

PICTURE = torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(0))
PICTURES = torch.rand(4, 3, 9, 7, generator=torch.Generator().manual_seed(1))


def test_gray_is_torchvisions():
    torch.testing.assert_close(gray(PICTURE.unbind(0)), functional.rgb_to_grayscale(PICTURE, 1)[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4, 3.0])
@pytest.mark.parametrize(
    ("in_place", "torchvisions"),
    [
        (brighten_, functional.adjust_brightness),
        (change_contrast_, functional.adjust_contrast),
        (saturate_, functional.adjust_saturation),
    ],
    ids=["brightness", "contrast", "saturation"],
)
def test_operations_on_one_picture_are_torchvisions(in_place, torchvisions, factor):
    changed = PICTURE.clone()
    in_place(changed, factor)
    torch.testing.assert_close(changed, torchvisions(PICTURE, factor), atol=1e-6, rtol=0)


def test_blend_is_clamped():
    planes = blend(PICTURE.unbind(0), ratio=torch.tensor(2.0), toward=torch.tensor(-0.5))
    assert torch.equal(torch.stack(planes), (2 * PICTURE - 0.5).clamp(0, 1))


@pytest.mark.parametrize("turn", [-1 / 6, -0.1, -0.01, 0.03, 0.1, 1 / 6])
def test_a_turn_of_the_hue_is_torchvisions(turn):
    expected = functional.adjust_hue(PICTURE, turn)
    torch.testing.assert_close(torch.stack(shift_hue(PICTURE.unbind(0), turn)), expected, atol=2e-6, rtol=0)
    torch.testing.assert_close(turn_picture(PICTURE, torch.tensor(turn)), expected, atol=2e-6, rtol=0)


def test_each_picture_has_its_own_turn():
    turns = torch.tensor([-0.1, 0.0, 0.05, 0.1])
    together = torch.stack(shift_hue(PICTURES.unbind(1), turns[:, None, None]), dim=1)
    expected = torch.stack([functional.adjust_hue(picture, turn) for picture, turn in zip(PICTURES, turns.tolist(), strict=True)])
    torch.testing.assert_close(together, expected, atol=2e-6, rtol=0)


def test_two_equal_channels_turn_as_in_torchvision():
    levels = torch.tensor([0.0, 0.3, 1.0])
    picture = torch.cartesian_prod(levels, levels, levels).T[:, None]  # every combination, so every tie
    for turn in (-0.1, 0.1):
        torch.testing.assert_close(torch.stack(shift_hue(picture.unbind(0), turn)), functional.adjust_hue(picture, turn), atol=2e-6, rtol=0)


def test_no_turn_and_no_chroma_change_nothing():
    assert torch.equal(torch.stack(shift_hue(PICTURE.unbind(0), 0.0)), PICTURE)
    flat = torch.full((3, 2, 2), 0.4)
    assert torch.equal(torch.stack(shift_hue(flat.unbind(0), 0.1)), flat)


@pytest.mark.parametrize("thirds", [-2, -1, 0, 1, 2])
def test_a_third_of_the_circle_exchanges_the_channels(thirds):
    exchanged = torch.stack(exchange(PICTURES.unbind(1), torch.full((4, 1, 1), float(thirds))), dim=1)
    assert torch.equal(exchanged, PICTURES.roll(thirds, dims=1))
