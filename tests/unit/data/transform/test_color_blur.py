import pytest
import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.color import blur_matrix, blur_one, blur_padded, blur_small, padded, reach_of, tap_weights

PICTURES = torch.rand(3, 3, 70, 45, generator=torch.Generator().manual_seed(0))
SIGMAS = torch.tensor([0.1, 0.9, 2.0])


def by_taps(pictures, sigmas):
    return blur_padded(padded(pictures, reach=6), tap_weights(sigmas, reach=6))


def one_by_one(pictures, sigmas):
    return torch.stack([blur_one(picture, weights) for picture, weights in zip(pictures, tap_weights(sigmas, reach=6), strict=True)])


def by_matrices(pictures, sigmas):
    return blur_small(pictures.clone(), sigmas, reach=6)


WAYS = pytest.mark.parametrize("blur", [one_by_one, by_matrices, by_taps])


@WAYS
def test_all_ways_are_torchvisions_blur_with_the_same_reach(blur):
    expected = torch.stack(
        [functional.gaussian_blur(picture, [13, 13], [sigma] * 2) for picture, sigma in zip(PICTURES, SIGMAS.tolist(), strict=True)]
    )
    torch.testing.assert_close(blur(PICTURES, SIGMAS), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("blur", [by_matrices, by_taps])
def test_sigma_zero_changes_no_picture_of_a_batch(blur):
    sigmas = torch.tensor([0.0, 2.0, 0.0])
    blurred = blur(PICTURES, sigmas)
    assert torch.equal(blurred[[0, 2]], PICTURES[[0, 2]])
    torch.testing.assert_close(blurred[1], functional.gaussian_blur(PICTURES[1], [13, 13], [2.0, 2.0]), atol=1e-6, rtol=0)


@WAYS
def test_a_picture_smaller_than_the_reach_is_refused(blur):
    with pytest.raises(ValueError, match="radius of 6 pixels needs a picture of more than 6 pixels, got 6"):
        blur(torch.rand(1, 3, 6, 6), torch.tensor([2.0]))


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
