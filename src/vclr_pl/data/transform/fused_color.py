"""The color augmentation of a batch as one function without a branch on data, which torch.compile fuses.

Legend: N views, C = 3 channels, H W pixels, P parameters of a view, O = 24 orders, S = 8 places of a blend.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from vclr_pl.data.transform.color import Planes, blend, blur_padded, exchange, gray, padded, shift_hue, tap_weights

BRIGHTNESS, CONTRAST, SATURATION, HUE, ORDER, GRAY, BLUR_SIGMA, FLIP = range(8)  # the columns of the parameters
PARAMETERS = 8
ORDERS = tuple(itertools.permutations((BRIGHTNESS, CONTRAST, SATURATION, HUE)))  # column ORDER is an index into this list
Steps = tuple[int, ...]  # the operations that are no blends, between which the blends have their places
HUE_FIRST, CONTRAST_FIRST = (HUE, CONTRAST), (CONTRAST, HUE)
EITHER = (HUE, CONTRAST, HUE)  # fits every order: the hue turns before or after the contrast
IS_HUE_FIRST = tuple(order.index(HUE) < order.index(CONTRAST) for order in ORDERS)
_PLACES = 2  # of blends before, between and after the steps
_IDENTITY = 2  # beside brightness 0 and saturation 1


@functools.lru_cache(maxsize=8)  # copied once to each device: a copy synchronizes
def places_of_orders(steps: Steps, device: torch.device) -> tuple[Tensor, Tensor]:
    """`[O, S]` long, the blend in each place: brightness 0, saturation 1, identity 2; `[O]` bool: the hue turns before the contrast."""
    table = torch.full((len(ORDERS), _PLACES * (len(steps) + 1)), _IDENTITY)
    for row, order in enumerate(ORDERS):
        step, used = 0, 0
        if steps == EITHER and not IS_HUE_FIRST[row]:
            step = 1  # the first step does not turn the hue
        for operation in order:
            if operation in (HUE, CONTRAST):
                step, used = step + 1, 0
            else:
                table[row, _PLACES * step + used] = 0 if operation == BRIGHTNESS else 1
                used += 1
    return table.to(device), torch.tensor(IS_HUE_FIRST).to(device)


def jittered(planes: Planes, parameters_NP: Tensor, tables: tuple[Tensor, Tensor], *, steps: Steps, any_hue: bool) -> Planes:
    """Brightness, contrast, saturation and hue in the order of each view.

    Args:
        tables: `places_of_orders` of the steps, on the device.
        steps: `EITHER`, or `HUE_FIRST` or `CONTRAST_FIRST` if that is the order of all views.
        any_hue: False where no turn exceeds a sixth of the circle.
    """
    columns = parameters_NP[:, :, None, None]  # [N, P, 1, 1], so that a column broadcasts over a plane
    places_NS, hue_first_N = (table[parameters_NP[:, ORDER].long()] for table in tables)
    kinds = torch.stack([parameters_NP[:, BRIGHTNESS], parameters_NP[:, SATURATION], torch.ones_like(parameters_NP[:, 0])], dim=1)
    ratios = kinds.gather(1, places_NS)[:, :, None, None]
    towards = torch.where(places_NS == 1, 1 - parameters_NP[:, SATURATION, None], 0.0)[:, :, None, None]
    contrast = columns[:, CONTRAST]
    for step, operation in enumerate((*steps, None)):
        for place in range(_PLACES * step, _PLACES * (step + 1)):
            planes = blend(planes, ratio=ratios[:, place], toward=gray(planes).mul_(towards[:, place]))
        if operation == CONTRAST:
            mean = gray(planes).mean(dim=(1, 2), keepdim=True)
            planes = blend(planes, ratio=contrast, toward=(1 - contrast) * mean)
        elif operation == HUE:
            turn = columns[:, HUE]
            if steps == EITHER:
                turn = torch.where(hue_first_N[:, None, None] == (step == 0), turn, 0.0)
            planes = _turned(planes, turn) if any_hue else shift_hue(planes, turn)
    return planes


def _turned(planes: Planes, turn: Tensor) -> Planes:
    thirds = torch.round(3 * turn)
    return exchange(shift_hue(planes, turn - thirds / 3), thirds)


def blur_by_taps(pictures_NCHW: Tensor, sigma_N: Tensor, *, reach: int) -> Tensor:
    """Blur every picture with its own sigma, as a sum of shifted pictures."""
    return blur_padded(padded(pictures_NCHW, reach=reach), tap_weights(sigma_N, reach=reach))


def augmented(
    views_NCHW: Tensor,
    parameters_NP: Tensor,
    tables: tuple[Tensor, Tensor],
    normalization: tuple[Tensor, Tensor],
    *,
    reach: int,
    steps: Steps = EITHER,
    any_hue: bool = False,
    blur: Callable[..., Tensor] = blur_by_taps,
) -> Tensor:
    """uint8 views and float32 parameters to normalized float32 views."""
    columns = parameters_NP[:, :, None, None]
    mirrored = torch.where(columns[:, None, FLIP] > 0, views_NCHW.flip(-1), views_NCHW)
    red, green, blue = (plane.float().mul_(1 / 255) for plane in mirrored.unbind(1))
    planes = jittered((red, green, blue), parameters_NP, tables, steps=steps, any_hue=any_hue)
    luminance, is_gray = gray(planes), columns[:, GRAY] > 0
    pictures = torch.stack([torch.where(is_gray, luminance, plane) for plane in planes], dim=1)
    blurred = blur(pictures, parameters_NP[:, BLUR_SIGMA], reach=reach)
    mean, std = normalization
    return (blurred - mean) / std
