"""Color augmentation of whole batches on the device; its random values are drawn in the worker.

Legend: V views of a sample, N views of a batch, C = 3 channels, T frames of a clip, H W pixels, P parameters of a view.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vclr_pl.data.loader import empty_pictures
from vclr_pl.data.transform.color import blend_, blur_batch, blur_one, gray, reach_of, shift_hue_
from vclr_pl.types import InputError

BRIGHTNESS, CONTRAST, SATURATION, HUE, ORDER, GRAY, BLUR_SIGMA, FLIP = range(8)  # the columns of the parameters
PARAMETERS = 8
ORDERS = tuple(itertools.permutations((BRIGHTNESS, CONTRAST, SATURATION, HUE)))  # column ORDER is an index into this list
_SLOTS = 3  # blends before the hue rotation, and as many after
_NOTHING = (1.0, 0.0, 0.0)
# For small pictures on a CPU, call overhead exceeds the work: at 48 pixels 0.10 ms per view in a batch against 0.28 ms singly,
# at 64 pixels both are equal.
_SMALL_PICTURE_PIXELS = 56 * 56
_SMALL_PICTURES_AT_ONCE = 64  # that fit in the cache


class ColorAugmentation:
    """The published color augmentation: jitter (its four operations in random order), gray, blur, flip, then normalization.

    `brightness`, `contrast`, `saturation` and `hue` bound the factors as torchvision's ColorJitter does: [max(0, 1 - x), 1 + x], hue in
    [-x, x] of a circle. `blur_sigma_pixels` is (smallest, largest).
    """

    def __init__(  # one argument per option of the published augmentation
        self,
        *,
        brightness: float,
        contrast: float,
        saturation: float,
        hue: float,
        jitter_probability: float,
        gray_probability: float,
        blur_sigma_pixels: Sequence[float],
        blur_probability: float,
        flip_probability: float,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self._factor_ranges = [(max(0.0, 1 - bound), 1 + bound) for bound in (brightness, contrast, saturation)] + [(-hue, hue)]
        self.jitter_probability, self.gray_probability = jitter_probability, gray_probability
        self.blur_sigma_pixels = (float(blur_sigma_pixels[0]), float(blur_sigma_pixels[1]))
        self.blur_probability, self.flip_probability = blur_probability, flip_probability
        self.mean, self.std = tuple(mean), tuple(std)
        self._reach = reach_of(self.blur_sigma_pixels[1])

    def draw(self, views: int, generator: np.random.Generator) -> Tensor:
        """float32 `[V, P]`: factors (1, 1, 1, 0 without jitter), order, gray 0 or 1, sigma in pixels (0 without blur), flip 0 or 1."""
        parameters = np.zeros((views, PARAMETERS), dtype=np.float32)
        jittered = generator.random(views) < self.jitter_probability
        for column, (low, high) in zip((BRIGHTNESS, CONTRAST, SATURATION, HUE), self._factor_ranges, strict=True):
            neutral = 0.0 if column == HUE else 1.0
            parameters[:, column] = np.where(jittered, generator.uniform(low, high, views), neutral)
        parameters[:, ORDER] = generator.integers(len(ORDERS), size=views)
        parameters[:, GRAY] = generator.random(views) < self.gray_probability
        blurred = generator.random(views) < self.blur_probability
        parameters[:, BLUR_SIGMA] = np.where(blurred, generator.uniform(*self.blur_sigma_pixels, views), 0.0)
        parameters[:, FLIP] = generator.random(views) < self.flip_probability
        return torch.from_numpy(parameters)

    def apply(self, views: Tensor, parameters: Tensor) -> Tensor:
        """uint8 `[N, C, H, W]` or `[N, C, T, H, W]` and float32 `[N, P]` to normalized float32 of the views' shape, on their device.

        A clip's frames share its parameters. There is no synchronization with the device.
        """
        if views.ndim == 5:
            frames = views.shape[2]
            flat: Tensor = self.apply(views.transpose(1, 2).flatten(0, 1), parameters.repeat_interleave(frames, dim=0))
            prepared: Tensor = flat.unflatten(0, (-1, frames)).transpose(1, 2)
            return prepared.contiguous()
        with torch.no_grad():
            if views.device.type != "cpu":
                return self._apply_together(views, parameters)
            if views.shape[-2:].numel() > _SMALL_PICTURE_PIXELS:
                return self._apply_one_by_one(views, parameters)
            parts = zip(views.split(_SMALL_PICTURES_AT_ONCE), parameters.split(_SMALL_PICTURES_AT_ONCE), strict=True)
            return torch.cat([self._apply_together(*part) for part in parts])

    def _apply_one_by_one(self, views_NCHW: Tensor, parameters_NP: Tensor) -> Tensor:
        """On a CPU, views are processed one by one, which keeps them in the cache, and operations without effect are skipped."""
        prepared = empty_pictures(views_NCHW.shape)
        slots = blend_slots(parameters_NP).tolist()
        mean, std = (_column(values, prepared.device) for values in (self.mean, self.std))
        for view, row, blends, target in zip(views_NCHW, parameters_NP.tolist(), slots, prepared, strict=True):
            picture = view[None].to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / 255)
            self._jitter_one(picture, blends, hue=row[HUE])
            if row[GRAY]:
                picture = gray(picture)  # one channel until normalization expands it to three
            blurred = blur_one(picture[0], row[BLUR_SIGMA], reach=self._reach) if row[BLUR_SIGMA] else picture[0]
            torch.sub(blurred.flip(-1) if row[FLIP] else blurred, mean, out=target)
            target.div_(std)
        return prepared

    @staticmethod
    def _jitter_one(picture: Tensor, blends: list[list[float]], *, hue: float) -> None:
        for slot, (ratio, toward_gray, toward_mean_gray) in enumerate(blends):
            if slot == _SLOTS and hue:
                shift_hue_(picture, hue)
            if (ratio, toward_gray, toward_mean_gray) != _NOTHING:
                blend_(picture, ratio=ratio, toward_gray=toward_gray or None, toward_mean_gray=toward_mean_gray or None)

    def _apply_together(self, views_NCHW: Tensor, parameters_NP: Tensor) -> Tensor:
        pictures = views_NCHW.to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / 255)
        blends = blend_slots(parameters_NP)
        columns = parameters_NP[:, :, None, None, None]  # [N, P, 1, 1, 1], so that a column broadcasts over a picture
        for slot in range(2 * _SLOTS):
            if slot == _SLOTS:
                pictures = shift_hue_(pictures, columns[:, HUE, 0])
            ratio, toward_gray, toward_mean_gray = blends[:, slot].T[:, :, None, None]
            pictures = blend_(pictures, ratio=ratio, toward_gray=toward_gray, toward_mean_gray=toward_mean_gray)
        pictures = torch.where(columns[:, GRAY] > 0, gray(pictures), pictures)
        pictures = blur_batch(pictures, parameters_NP[:, BLUR_SIGMA], reach=self._reach)
        pictures = torch.where(columns[:, FLIP] > 0, pictures.flip(-1), pictures)
        return _normalize_(pictures, mean=self.mean, std=self.std)


def blend_slots(parameters_NP: Tensor) -> Tensor:
    """`[N, 2 * 3, 3]`: coefficients of `blend_` for three slots before the hue rotation and three after.

    The hue is rotated once for all views. In the order of its view, each other operation has a slot before or after it; unused
    slots are the identity. This gives torchvision's random order without a branch per view.
    """
    brightness, contrast, saturation = (parameters_NP[:, column] for column in (BRIGHTNESS, CONTRAST, SATURATION))
    nil, one = torch.zeros_like(brightness), torch.ones_like(brightness)
    coefficients_NO3 = torch.stack(
        [
            torch.stack([brightness, nil, nil], dim=1),
            torch.stack([contrast, nil, 1 - contrast], dim=1),
            torch.stack([saturation, 1 - saturation, nil], dim=1),
            torch.stack([one, nil, nil], dim=1),  # identity
        ],
        dim=1,
    )
    operation_N6 = _operation_of_slot(parameters_NP.device)[parameters_NP[:, ORDER].long()]
    return coefficients_NO3.gather(1, operation_N6[:, :, None].expand(-1, -1, 3))


@functools.lru_cache(maxsize=8)  # copied once to each device: a copy synchronizes
def _column(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device)[:, None, None]


def _normalize_(views: Tensor, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """In place: (x - mean) / std of views `[N, C, H, W]` or `[N, C, T, H, W]`."""
    per_channel = (-1, *(1,) * (views.ndim - 2))
    mean_C, std_C = (_column(values, views.device).reshape(per_channel) for values in (mean, std))
    return views.sub_(mean_C).div_(std_C)


@functools.lru_cache(maxsize=8)
def _operation_of_slot(device: torch.device) -> Tensor:
    """`[24, 6]` long: the operation in each slot for each order: brightness 0, contrast 1, saturation 2, identity 3."""
    table = torch.full((len(ORDERS), 2 * _SLOTS), 3)
    for row, order in enumerate(ORDERS):
        turned = order.index(HUE)
        for position, operation in enumerate(order):
            if operation != HUE:
                table[row, position if position < turned else position - turned - 1 + _SLOTS] = operation
    return table.to(device)


class FlipAndNormalize:
    """Replaces `ColorAugmentation`: normalization, and a flip if wanted.

    Args:
        flip_probability: for a whole video; 0 if left and right distinguish classes (Something-Something).
        mean, std: for RGB in 0 to 1.

    Raises:
        InputError: a `flip_probability` outside [0, 1].
    """

    def __init__(self, *, flip_probability: float, mean: Sequence[float], std: Sequence[float]) -> None:
        if not 0 <= flip_probability <= 1:
            raise InputError(
                expected="a flip_probability between 0 and 1",
                got=f"color_augmentation.flip_probability={flip_probability}",
                hint="Set 0.5, or 0 for no flip.",
            )
        self.flip_probability, self.mean, self.std = flip_probability, tuple(mean), tuple(std)

    def draw(self, views: int, generator: np.random.Generator) -> Tensor:
        """float32 `[V, 1]`: 1 if the video is mirrored, equal for all views."""
        return torch.full((views, 1), float(generator.random() < self.flip_probability))

    def apply(self, views: Tensor, parameters: Tensor) -> Tensor:
        """uint8 `[N, C, H, W]` or `[N, C, T, H, W]` and float32 `[N, 1]` to normalized float32 of the views' shape, on their device."""
        per_view = (-1, *(1,) * (views.ndim - 1))
        mirrored = torch.where(parameters.reshape(per_view) > 0, views.flip(-1), views) if self.flip_probability else views
        return _normalize_(mirrored.float().div_(255), mean=self.mean, std=self.std)
