"""Color operations and blur on batches of images.

Legend: N views, C = 3 channels (RGB), H W pixels, C channels, L a side's length, K = 2 reach + 1 taps.

All agree with `torchvision.transforms.v2.functional` on float input within 1e-5. Strengths are Python floats, or tensors `[N, 1, 1]`.

The kernel extends ceil(3 sigma_max) pixels each way and its weights sum to 1; borders are reflected: `torchvision`'s `gaussian_blur` with
that kernel size. The published pipeline blurs with PIL, which approximates the same Gaussian by three box blurs and repeats the border.

On a GPU blur multiplies whole matrices, for all views in one call. On a CPU it pads the picture, so that the matrices of all bands
of 16 outputs are equal, and multiplies them in one call: at 224 pixels 0.75 of the time of a sum of shifted pictures, half that of conv2d.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

LUMINANCE = (0.2989, 0.587, 0.114)  # torchvision's weights of R, G, B

Strength = float | Tensor


def gray(pictures_NCHW: Tensor) -> Tensor:
    """Luminance `[N, 1, H, W]`."""
    red, green, blue = pictures_NCHW.split(1, dim=1)
    return torch.mul(red, LUMINANCE[0]).add_(green, alpha=LUMINANCE[1]).add_(blue, alpha=LUMINANCE[2])


def blend_(pictures_NCHW: Tensor, *, ratio: Strength, toward_gray: Strength | None, toward_mean_gray: Strength | None) -> Tensor:
    """In place: clamp(ratio x + toward_gray gray(x) + toward_mean_gray mean(gray(x)), 0, 1).

    Brightness b is (b, 0, 0), saturation s is (s, 1 - s, 0), contrast c is (c, 0, 1 - c), the identity is (1, 0, 0); None
    is a constant 0, whose term is skipped. The mean is over a picture.
    """
    # Both are computed before the pictures change.
    gray_N1HW = None if toward_gray is None else gray(pictures_NCHW).mul_(_per_picture(toward_gray))
    mean_N111 = (
        None if toward_mean_gray is None else gray(pictures_NCHW.mean(dim=(2, 3), keepdim=True)).mul_(_per_picture(toward_mean_gray))
    )
    pictures_NCHW.mul_(_per_picture(ratio))
    for part in (gray_N1HW, mean_N111):
        if part is not None:
            pictures_NCHW.add_(part)
    return pictures_NCHW.clamp_(0, 1)


def _per_picture(strength: Strength) -> Strength:
    return strength[..., None] if isinstance(strength, Tensor) else strength


def shift_hue_(pictures_NCHW: Tensor, turn: Strength) -> Tensor:
    """In place: rotate the hue of HSV by `turn`, a fraction of the circle in [-0.5, 0.5]; value and chroma are unchanged.

    With h the hue in sixths of the circle, channel k is min + chroma clamp(t_k(h), 0, 1), where t_k are three triangles over the circle:
    |h - 3| - 1 for red, 2 - |h - 2| for green, 2 - |h - 4| for blue. That is HSV's table of six cases without the table.
    """
    red, green, blue = pictures_NCHW.unbind(dim=1)
    high = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    chroma = high - low
    # Float masks with `lerp`: on a CPU a fifth of the time of bool masks with `where`, with equal results.
    is_red = torch.ge(red, high, out=torch.empty_like(high))
    is_green = torch.ge(green, high, out=torch.empty_like(high))
    hue = torch.sub(red, green).add_(chroma, alpha=4)
    hue.lerp_(torch.sub(blue, red).add_(chroma, alpha=2), is_green).lerp_(torch.sub(green, blue), is_red)
    hue.div_(chroma.clamp_min(1e-12)).add_(6 * turn)
    hue.sub_(torch.mul(hue, 1 / 6).floor_().mul_(6))
    torch.addcmul(low, chroma, (hue - 3).abs_().sub_(1).clamp_(0, 1), out=red)
    torch.addcmul(low, chroma, (hue - 2).abs_().neg_().add_(2).clamp_(0, 1), out=green)
    torch.addcmul(low, chroma, hue.sub_(4).abs_().neg_().add_(2).clamp_(0, 1), out=blue)
    return pictures_NCHW


TRUNCATION = 3.0  # standard deviations; 0.3% of the Gaussian is outside
_BAND = 16  # outputs per band: the fastest of 8, 16, 28, 32 at 224 pixels


def reach_of(sigma_max_pixels: float) -> int:
    """Radius of the kernel, pixels."""
    return max(1, math.ceil(TRUNCATION * sigma_max_pixels))


def blur_matrix(sigma_N: Tensor, *, length: int, reach: int) -> Tensor:
    """`[N, L, L]` on sigma's device: row i is the weights of output i. The identity for sigma 0.

    Raises ValueError if the reflected border is wider than the picture.
    """
    _require_length(length, reach=reach)
    offset_K = torch.arange(-reach, reach + 1, device=sigma_N.device)
    weight_NK = torch.exp(-0.5 * (offset_K / sigma_N.clamp_min(1e-3)[:, None]) ** 2)
    weight_NK = weight_NK / weight_NK.sum(dim=1, keepdim=True)
    return (weight_NK @ _places(length, reach, sigma_N.device)).view(-1, length, length)


def _require_length(length: int, *, reach: int) -> None:
    if reach >= length:
        raise ValueError(f"a blur with a radius of {reach} pixels needs a picture of more than {reach} pixels, got {length} pixels")


@functools.lru_cache(maxsize=8)
def _places(length: int, reach: int, device: torch.device) -> Tensor:
    """`[K, L L]`: 1 where output i reads input j with tap k. The result of a product with it does not depend on the order of summation."""
    source_LK = (torch.arange(length)[:, None] + torch.arange(-reach, reach + 1)).abs()
    source_LK = (length - 1) - ((length - 1) - source_LK).abs()
    return functional.one_hot(source_LK, length).permute(1, 0, 2).reshape(2 * reach + 1, -1).float().to(device)


def blur_batch(pictures_NCHW: Tensor, sigma_N: Tensor, *, reach: int) -> Tensor:
    """Blur every picture with its own sigma, by whole matrices: for a GPU."""
    height, width = pictures_NCHW.shape[-2:]
    rows = blur_matrix(sigma_N, length=height, reach=reach)[:, None]
    columns = rows if width == height else blur_matrix(sigma_N, length=width, reach=reach)[:, None]
    return rows @ pictures_NCHW @ columns.transpose(-1, -2)


def blur_one(picture_CHW: Tensor, sigma_pixels: float, *, reach: int) -> Tensor:
    """Blur one picture, by bands: for a CPU. Raises ValueError as `blur_matrix`."""
    channels, height, width = picture_CHW.shape
    _require_length(min(height, width), reach=reach)
    band = _band(sigma_pixels, reach=reach)
    padded = functional.pad(picture_CHW[None], (reach, reach, reach, reach), mode="reflect")[0]
    spare = [-length % _BAND for length in (height, width)]  # pads to whole bands; the excess is cut off below
    if any(spare):
        padded = functional.pad(padded, (0, spare[1], 0, spare[0]))
    windows = padded.unfold(1, _BAND + 2 * reach, _BAND).transpose(-1, -2)
    lines = (band @ windows).flatten(1, 2)[:, :height].flatten(0, 1)
    windows = lines.unfold(1, _BAND + 2 * reach, _BAND).transpose(0, 1)
    blurred: Tensor = (windows @ band.T).transpose(0, 1).flatten(1)[:, :width].unflatten(0, (channels, height))
    return blurred


def _band(sigma_pixels: float, *, reach: int) -> Tensor:
    """`[band, band + 2 reach]`: the weights of a band's outputs, equal for all bands."""
    offset_K = torch.arange(-reach, reach + 1)
    weight_K = torch.exp(-0.5 * (offset_K / max(sigma_pixels, 1e-3)) ** 2)
    band = torch.zeros(_BAND, _BAND + 2 * reach)
    band.as_strided((_BAND, len(weight_K)), (_BAND + 2 * reach + 1, 1)).copy_(weight_K / weight_K.sum())
    return band
