import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.color import blend_, gray, shift_hue_

GENERATOR = torch.Generator().manual_seed(0)
PICTURES = torch.rand(4, 3, 9, 7, generator=GENERATOR)


def test_gray_is_torchvisions():
    torch.testing.assert_close(gray(PICTURES), functional.rgb_to_grayscale(PICTURES, 1), atol=1e-6, rtol=0)


def test_blend_with_tensors_is_blend_with_numbers_for_each_picture():
    strengths = torch.tensor([[1.3, 0.0, 0.0], [0.7, 0.0, 0.3], [1.4, -0.4, 0.0], [1.0, 0.0, 0.0]])
    ratio, toward_gray, toward_mean_gray = strengths.T[:, :, None, None]
    together = blend_(PICTURES.clone(), ratio=ratio, toward_gray=toward_gray, toward_mean_gray=toward_mean_gray)
    for place, (ratio, toward_gray, toward_mean_gray) in enumerate(strengths.tolist()):
        alone = blend_(PICTURES[place : place + 1].clone(), ratio=ratio, toward_gray=toward_gray, toward_mean_gray=toward_mean_gray)
        torch.testing.assert_close(together[place], alone[0], atol=1e-6, rtol=0)


def test_primary_colors_turn_around_the_circle():
    primaries = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]).T.reshape(1, 3, 1, 3)
    turned = shift_hue_(primaries.clone(), 1 / 3)
    torch.testing.assert_close(turned, primaries.roll(-1, dims=3), atol=1e-6, rtol=0)


def test_no_turn_and_no_chroma_change_nothing():
    torch.testing.assert_close(shift_hue_(PICTURES.clone(), 0.0), PICTURES, atol=1e-6, rtol=0)
    flat = torch.full((1, 3, 2, 2), 0.4)
    assert torch.equal(shift_hue_(flat.clone(), 0.3), flat)
