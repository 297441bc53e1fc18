"""Gaussian blur as two products with a banded matrix, one for rows and one for columns.

The kernel reaches ceil(3 sigma_max) pixels each way and its weights sum to 1; borders are reflected: `torchvision`'s `gaussian_blur` with
that kernel size. The published pipeline blurs with PIL, which approximates the same Gaussian by three box blurs and repeats the border.

On a GPU the whole matrices are multiplied, for all views in one call. On a CPU the borders are added to the picture, which makes all bands
of 16 outputs alike, and one call multiplies them: at 224 pixels 0.75 of the time of a sum of shifted pictures, half of a convolution's.

Legend: N views, C channels, H W pixels, L a side's length, K = 2 reach + 1 taps.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

TRUNCATION = 3.0  # standard deviations; 0.3% of the Gaussian lies beyond
_BAND = 16  # outputs: the fastest of 8, 16, 28, 32 at 224 pixels


def reach_of(sigma_max_pixels: float) -> int:
    """Pixels that the kernel reaches to either side."""
    return max(1, math.ceil(TRUNCATION * sigma_max_pixels))


def blur_matrix(sigma_N: Tensor, *, length: int, reach: int) -> Tensor:
    """`[N, L, L]` on sigma's device: row i holds the weights of output i. The identity where sigma is 0.

    Raises ValueError where the reflected border would be wider than the picture.
    """
    _require_length(length, reach=reach)
    offset_K = torch.arange(-reach, reach + 1, device=sigma_N.device)
    weight_NK = torch.exp(-0.5 * (offset_K / sigma_N.clamp_min(1e-3)[:, None]) ** 2)
    weight_NK = weight_NK / weight_NK.sum(dim=1, keepdim=True)
    return (weight_NK @ _places(length, reach, sigma_N.device)).view(-1, length, length)


def _require_length(length: int, *, reach: int) -> None:
    if reach >= length:
        raise ValueError(f"a blur that reaches {reach} pixels needs a picture of more than that, got {length} pixels")


@functools.lru_cache(maxsize=8)
def _places(length: int, reach: int, device: torch.device) -> Tensor:
    """`[K, L L]`: 1 where output i reads input j with tap k. A product with it has one result in any order of summation."""
    source_LK = (torch.arange(length)[:, None] + torch.arange(-reach, reach + 1)).abs()
    source_LK = (length - 1) - ((length - 1) - source_LK).abs()
    return functional.one_hot(source_LK, length).permute(1, 0, 2).reshape(2 * reach + 1, -1).float().to(device)


def blur_batch(pictures_NCHW: Tensor, sigma_N: Tensor, *, reach: int) -> Tensor:
    """Every picture with its own sigma, whole matrices: for a GPU."""
    height, width = pictures_NCHW.shape[-2:]
    rows = blur_matrix(sigma_N, length=height, reach=reach)[:, None]
    columns = rows if width == height else blur_matrix(sigma_N, length=width, reach=reach)[:, None]
    return rows @ pictures_NCHW @ columns.transpose(-1, -2)


def blur_one(picture_CHW: Tensor, sigma_pixels: float, *, reach: int) -> Tensor:
    """One picture, band by band: for a CPU. Raises ValueError as `blur_matrix`."""
    channels, height, width = picture_CHW.shape
    _require_length(min(height, width), reach=reach)
    band = _band(sigma_pixels, reach=reach)
    padded = functional.pad(picture_CHW[None], (reach, reach, reach, reach), mode="reflect")[0]
    spare = [-length % _BAND for length in (height, width)]  # to whole bands, cut off again
    if any(spare):
        padded = functional.pad(padded, (0, spare[1], 0, spare[0]))
    windows = padded.unfold(1, _BAND + 2 * reach, _BAND).transpose(-1, -2)
    lines = (band @ windows).flatten(1, 2)[:, :height].flatten(0, 1)
    windows = lines.unfold(1, _BAND + 2 * reach, _BAND).transpose(0, 1)
    blurred: Tensor = (windows @ band.T).transpose(0, 1).flatten(1)[:, :width].unflatten(0, (channels, height))
    return blurred


def _band(sigma_pixels: float, *, reach: int) -> Tensor:
    """`[band, band + 2 reach]`: the weights of a band's outputs, the same for every band."""
    offset_K = torch.arange(-reach, reach + 1)
    weight_K = torch.exp(-0.5 * (offset_K / max(sigma_pixels, 1e-3)) ** 2)
    band = torch.zeros(_BAND, _BAND + 2 * reach)
    band.as_strided((_BAND, len(weight_K)), (_BAND + 2 * reach + 1, 1)).copy_(weight_K / weight_K.sum())
    return band
