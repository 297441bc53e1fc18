"""Color operations and blur on images.

Legend: N views, C = 3 channels (RGB), H W pixels, L a side's length, K = 2 reach + 1 taps.

All agree with `torchvision.transforms.v2.functional` on float input within 1e-5. The functions of one picture work in place and skip what
has no effect. The functions of planes (the three channels apart, `[N, H, W]` each) have no branch on data, so torch.compile fuses them.

The blur's kernel extends ceil(3 sigma_max) pixels each way and its weights sum to 1; borders are reflected: torchvision's
`gaussian_blur` with that kernel size. The published pipeline blurs with PIL, which approximates the same Gaussian by three box blurs and
repeats the border.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

LUMINANCE = (0.2989, 0.587, 0.114)  # torchvision's weights of R, G, B

Planes = tuple[Tensor, Tensor, Tensor]  # R, G, B


def gray(planes: Planes) -> Tensor:
    """Luminance, of a plane's shape."""
    red, green, blue = planes
    return torch.mul(red, LUMINANCE[0]).add_(green, alpha=LUMINANCE[1]).add_(blue, alpha=LUMINANCE[2])


def brighten_(picture_CHW: Tensor, factor: float) -> None:
    """In place: clamp(factor x, 0, 1). Up to a factor of 1 nothing leaves [0, 1], here and in the other operations."""
    picture_CHW.mul_(factor)
    if factor > 1:
        picture_CHW.clamp_(0, 1)


def change_contrast_(picture_CHW: Tensor, factor: float) -> None:
    """In place: clamp(factor x + (1 - factor) mean(gray(x)), 0, 1)."""
    red, green, blue = picture_CHW.mean(dim=(1, 2)).tolist()
    mean = LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue
    picture_CHW.mul_(factor).add_((1 - factor) * mean)
    if factor > 1:
        picture_CHW.clamp_(0, 1)


def saturate_(picture_CHW: Tensor, factor: float) -> None:
    """In place: clamp(factor x + (1 - factor) gray(x), 0, 1)."""
    red, green, blue = picture_CHW
    torch.add(gray((red, green, blue)).mul_(1 - factor), picture_CHW, alpha=factor, out=picture_CHW)
    if factor > 1:
        picture_CHW.clamp_(0, 1)


def blend(planes: Planes, *, ratio: Tensor, toward: Tensor) -> Planes:
    """clamp(ratio x + toward, 0, 1), with `ratio` and `toward` of any shape that broadcasts to a plane's."""
    red, green, blue = (torch.addcmul(toward, plane, ratio).clamp_(0, 1) for plane in planes)
    return red, green, blue


def shift_hue(planes: Planes, turn: float | Tensor) -> Planes:
    """Rotate the hue of HSV by `turn`, a fraction of the circle in [-1/6, 1/6]; value and chroma are unchanged.

    In HSV each channel follows the hue: it is highest for a third of the circle, falls to the lowest value within a sixth, stays there for
    a third and rises again. With m the median of the three channels, 2 x - m continues the slopes beyond both limits, by up to a sixth. A
    turn moves it by one chroma a sixth, down where the next channel on the circle exceeds the one after it, up elsewhere, and the limits
    apply again. That is HSV's table of six cases without the table and without a division.
    """
    red, green, blue = planes
    lower, higher = torch.minimum(red, green), torch.maximum(red, green)
    low, high = torch.minimum(lower, blue), torch.maximum(higher, blue)
    middle = torch.maximum(lower, torch.minimum(higher, blue))
    step = (high - low).mul_(6 * turn)

    def turned(plane: Tensor, following: Tensor, last: Tensor) -> Tensor:
        moved = torch.addcmul(middle, (following - last).sign_(), step)
        return torch.lerp(moved, plane, 2.0).clamp_(low, high)  # 2 plane - moved

    return turned(red, green, blue), turned(green, blue, red), turned(blue, red, green)


def exchange(planes: Planes, thirds: Tensor) -> Planes:
    """Rotate the hue by so many thirds of the circle, `[N, 1, 1]`: a channel's values become those of the next channel."""
    red, green, blue = planes
    one, two = thirds % 3 == 1, thirds % 3 == 2

    def taken(unturned: Tensor, by_one: Tensor, by_two: Tensor) -> Tensor:
        return torch.where(one, by_one, torch.where(two, by_two, unturned))

    return taken(red, blue, green), taken(green, red, blue), taken(blue, green, red)


def turn_picture(picture_CHW: Tensor, turn: Tensor) -> Tensor:
    """`shift_hue` of one picture, with a turn without dimensions."""
    red, green, blue = picture_CHW
    return torch.stack(shift_hue((red, green, blue), turn))


TRUNCATION = 3.0  # standard deviations; 0.3% of the Gaussian is outside
_BAND = 16  # outputs per band: the fastest of 8, 16, 28, 32 at 224 pixels


def reach_of(sigma_max_pixels: float) -> int:
    """Radius of the kernel, pixels."""
    return max(1, math.ceil(TRUNCATION * sigma_max_pixels))


def tap_weights(sigma_N: Tensor, *, reach: int) -> Tensor:
    """`[N, K]` on sigma's device: the weights of the Gaussian, 1 in the middle and 0 elsewhere for sigma 0."""
    offset_K = torch.arange(-reach, reach + 1, device=sigma_N.device)
    weight_NK = torch.exp(-0.5 * (offset_K / sigma_N.clamp_min(1e-3)[:, None]) ** 2)
    return weight_NK / weight_NK.sum(dim=1, keepdim=True)


def padded(pictures_NCHW: Tensor, *, reach: int) -> Tensor:
    """With reflected borders of `reach` pixels. Raises ValueError if such a border is wider than the picture."""
    require_length(min(pictures_NCHW.shape[-2:]), reach=reach)
    return functional.pad(pictures_NCHW, (reach, reach, reach, reach), mode="reflect")


def blur_padded(padded_NCHW: Tensor, weight_NK: Tensor) -> Tensor:
    """Blur pictures with borders, each with its own weights, as sums of shifted pictures: fast once compiled."""
    taps = weight_NK.shape[1]
    blurred = padded_NCHW
    for dimension in (-1, -2):
        length = blurred.shape[dimension] - taps + 1
        shifted = [blurred.narrow(dimension, tap, length) for tap in range(taps)]
        weights = weight_NK[:, :, None, None, None].unbind(1)
        blurred = shifted[0] * weights[0]
        for picture, weight in zip(shifted[1:], weights[1:], strict=True):
            blurred = torch.addcmul(blurred, picture, weight)
    return blurred


def blur_and_normalize(target_NCHW: Tensor, padded_NCHW: Tensor, weight_NK: Tensor, normalization: tuple[Tensor, Tensor]) -> None:
    """Write the blurred pictures, minus the mean and divided by the standard deviation of each channel, into `target`."""
    mean_C11, std_C11 = normalization
    target_NCHW.copy_((blur_padded(padded_NCHW, weight_NK) - mean_C11) / std_C11)


def blur_matrix(sigma_N: Tensor, *, length: int, reach: int) -> Tensor:
    """`[N, L, L]` on sigma's device: row i is the weights of output i. The identity for sigma 0.

    Raises ValueError if the reflected border is wider than the picture.
    """
    require_length(length, reach=reach)
    return (tap_weights(sigma_N, reach=reach) @ _places(length, reach, sigma_N.device)).view(-1, length, length)


def require_length(length: int, *, reach: int) -> None:
    if reach >= length:
        raise ValueError(f"a blur with a radius of {reach} pixels needs a picture of more than {reach} pixels, got {length} pixels")


@functools.lru_cache(maxsize=8)
def _places(length: int, reach: int, device: torch.device) -> Tensor:
    """`[K, L L]`: 1 where output i reads input j with tap k. The result of a product with it does not depend on the order of summation."""
    source_LK = (torch.arange(length)[:, None] + torch.arange(-reach, reach + 1)).abs()
    source_LK = (length - 1) - ((length - 1) - source_LK).abs()
    return functional.one_hot(source_LK, length).permute(1, 0, 2).reshape(2 * reach + 1, -1).float().to(device)


def blur_small(pictures_NCHW: Tensor, sigma_N: Tensor, *, reach: int) -> Tensor:
    """Blur every picture whose sigma is not 0, in place, by whole matrices: for small pictures on a CPU."""
    rows = sigma_N.nonzero()[:, 0]
    height, width = pictures_NCHW.shape[-2:]
    matrices = blur_matrix(sigma_N[rows], length=height, reach=reach)[:, None]
    columns = matrices if width == height else blur_matrix(sigma_N[rows], length=width, reach=reach)[:, None]
    pictures_NCHW[rows] = matrices @ pictures_NCHW[rows] @ columns.transpose(-1, -2)
    return pictures_NCHW


def blur_one(picture_CHW: Tensor, weight_K: Tensor) -> Tensor:
    """Blur one picture on a CPU: the matrices of all bands of 16 outputs are equal, and multiplied in one call.

    At 224 pixels it takes 0.75 of the time of a sum of shifted pictures that is not compiled, half that of conv2d. Raises ValueError as
    `padded`.
    """
    channels, height, width = picture_CHW.shape
    reach = len(weight_K) // 2
    band = _band(weight_K)
    bordered = padded(picture_CHW[None], reach=reach)[0]
    spare = [-length % _BAND for length in (height, width)]  # pads to whole bands; the excess is cut off below
    if any(spare):
        bordered = functional.pad(bordered, (0, spare[1], 0, spare[0]))
    windows = bordered.unfold(1, _BAND + 2 * reach, _BAND).transpose(-1, -2)
    lines = (band @ windows).flatten(1, 2)[:, :height].flatten(0, 1)
    windows = lines.unfold(1, _BAND + 2 * reach, _BAND).transpose(0, 1)
    blurred: Tensor = (windows @ band.T).transpose(0, 1).flatten(1)[:, :width].unflatten(0, (channels, height))
    return blurred


def _band(weight_K: Tensor) -> Tensor:
    """`[band, band + 2 reach]`: the weights of a band's outputs, equal for all bands."""
    taps = len(weight_K)
    band = torch.zeros(_BAND, _BAND + taps - 1)
    band.as_strided((_BAND, taps), (_BAND + taps, 1)).copy_(weight_K)
    return band
