import pytest
import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.color import blur_batch, blur_matrix, blur_one, reach_of

PICTURES = torch.rand(3, 3, 70, 45, generator=torch.Generator().manual_seed(0))
SIGMAS = torch.tensor([0.1, 0.9, 2.0])


def test_both_ways_are_torchvisions_blur_with_the_same_reach():
    expected = torch.stack(
        [functional.gaussian_blur(picture, [13, 13], [sigma] * 2) for picture, sigma in zip(PICTURES, SIGMAS.tolist(), strict=True)]
    )
    torch.testing.assert_close(blur_batch(PICTURES, SIGMAS, reach=6), expected, atol=1e-6, rtol=0)
    alone = torch.stack([blur_one(picture, sigma, reach=6) for picture, sigma in zip(PICTURES, SIGMAS.tolist(), strict=True)])
    torch.testing.assert_close(alone, expected, atol=1e-6, rtol=0)


def test_the_kernel_reaches_three_standard_deviations():
    assert [reach_of(sigma) for sigma in (0.1, 1.0, 2.0, 2.1)] == [1, 3, 6, 7]


def test_rows_of_the_matrix_sum_to_one_and_reflect_the_border():
    matrix = blur_matrix(torch.tensor([1.0]), length=8, reach=3)[0]
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(8))
    tap = torch.exp(-0.5 * torch.arange(-3, 4.0) ** 2)
    tap = tap / tap.sum()
    torch.testing.assert_close(matrix[0, :4], torch.stack([tap[3], 2 * tap[2], 2 * tap[1], 2 * tap[0]]))  # pixel -k is pixel k


def test_sigma_zero_is_the_identity():
    assert torch.equal(blur_matrix(torch.zeros(1), length=10, reach=3)[0], torch.eye(10))


def test_a_picture_smaller_than_the_reach_is_refused():
    with pytest.raises(ValueError, match="radius of 6 pixels needs a picture of more than 6 pixels, got 6"):
        blur_one(torch.rand(3, 6, 6), 2.0, reach=6)
