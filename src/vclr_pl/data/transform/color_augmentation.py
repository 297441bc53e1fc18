"""Color augmentation of whole batches on the device; its random values are drawn in the worker.

Legend: V views of a sample, N views of a batch, C = 3 channels, T frames of a clip, H W pixels, P parameters of a view.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vclr_pl.data.loader import empty_pictures
from vclr_pl.data.transform.color import (
    Planes,
    blur_and_normalize,
    blur_one,
    blur_small,
    brighten_,
    change_contrast_,
    gray,
    padded,
    reach_of,
    saturate_,
    tap_weights,
    turn_picture,
)
from vclr_pl.data.transform.compilation import Function, compiled
from vclr_pl.data.transform.fused_color import (
    BLUR_SIGMA,
    BRIGHTNESS,
    CONTRAST,
    CONTRAST_FIRST,
    EITHER,
    FLIP,
    GRAY,
    HUE,
    HUE_FIRST,
    IS_HUE_FIRST,
    ORDER,
    ORDERS,
    PARAMETERS,
    SATURATION,
    Steps,
    augmented,
    blur_by_taps,
    places_of_orders,
)
from vclr_pl.types import InputError

# On a CPU the call overhead of small pictures exceeds the work: at 48 pixels a sample takes 0.6 ms in batches against 0.95 ms one by one,
# at 56 pixels both are equal.
_SMALL_PICTURE_PIXELS = 56 * 56
# Compilation takes 15 to 30 s, and saves about 4 ns a pixel on a CPU (measured) and 0.8 ns on a GPU (from the bytes of memory traffic).
_PIXELS_WORTH_COMPILING = {"cpu": 2e10, "cuda": 1e11}
_PIXELS_AT_ONCE = 24 * 48 * 48  # that fit in the cache with all intermediate results


class ColorAugmentation:
    """The published color augmentation: jitter (its four operations in random order), gray, blur, flip, then normalization.

    `brightness`, `contrast`, `saturation` and `hue` bound the factors as torchvision's ColorJitter does: [max(0, 1 - x), 1 + x], hue in
    [-x, x] of a circle. `blur_sigma_pixels` is (smallest, largest). `compile` uses torch.compile, `auto` only in long runs
    (`expect`). Compiled or not, the results differ by rounding.
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
        compile: bool | Literal["auto"] = "auto",
    ) -> None:
        if compile not in (True, False, "auto"):
            raise InputError(
                expected="color_augmentation.compile=auto, true or false",
                got=f"color_augmentation.compile={compile}",
                hint="Set color_augmentation.compile=auto.",
            )
        self._factor_ranges = [(max(0.0, 1 - bound), 1 + bound) for bound in (brightness, contrast, saturation)] + [(-hue, hue)]
        self.jitter_probability, self.gray_probability = jitter_probability, gray_probability
        self.blur_sigma_pixels = (float(blur_sigma_pixels[0]), float(blur_sigma_pixels[1]))
        self.blur_probability, self.flip_probability = blur_probability, flip_probability
        self.mean, self.std = tuple(mean), tuple(std)
        self._reach = reach_of(self.blur_sigma_pixels[1])
        self.compile = compile
        self._compiles = compile is True

    def expect(self, *, pixels: float, device_type: str) -> None:
        """Settle `compile=auto` by the pixels of all views of the run, which a resumed run has too."""
        if self.compile == "auto":
            self._compiles = pixels >= _PIXELS_WORTH_COMPILING.get(device_type, math.inf)

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
            return self._apply_small(views, parameters)

    def _apply_one_by_one(self, views_NCHW: Tensor, parameters_NP: Tensor) -> Tensor:
        """On a CPU, views are processed one by one, which keeps them in the cache, and operations without effect are skipped."""
        prepared = empty_pictures(views_NCHW.shape)
        normalization = _column(self.mean, prepared.device), _column(self.std, prepared.device)
        weights = tap_weights(parameters_NP[:, BLUR_SIGMA], reach=self._reach).split(1)
        for view, row, weight, target in zip(views_NCHW, parameters_NP.tolist(), weights, prepared.split(1), strict=True):
            picture = self._jittered_one((view.flip(-1) if row[FLIP] else view).float().mul_(1 / 255), row)
            if row[GRAY]:
                picture = gray(_planes(picture))[None]  # one channel until normalization expands it to three
            if row[BLUR_SIGMA] and self._compiles:
                compiled(blur_and_normalize)(target, padded(picture[None], reach=self._reach), weight, normalization)
            else:
                blurred = blur_one(picture, weight[0]) if row[BLUR_SIGMA] else picture
                torch.sub(blurred, normalization[0], out=target[0]).div_(normalization[1])
        return prepared

    def _jittered_one(self, picture_CHW: Tensor, row: list[float]) -> Tensor:
        in_place = {BRIGHTNESS: brighten_, CONTRAST: change_contrast_, SATURATION: saturate_}
        for operation in ORDERS[int(row[ORDER])]:
            factor = row[operation]
            if operation != HUE and factor != 1:
                in_place[operation](picture_CHW, factor)
            elif operation == HUE and factor:
                thirds = round(3 * factor)  # turns by a third exchange the channels
                turn = torch.tensor(factor - thirds / 3)
                picture_CHW = self._function(turn_picture)(picture_CHW, turn)
                picture_CHW = picture_CHW.roll(thirds, dims=0) if thirds else picture_CHW
        return picture_CHW

    def _apply_small(self, views_NCHW: Tensor, parameters_NP: Tensor) -> Tensor:
        """On a CPU, small views go through the operations of a GPU together, those that turn the hue before the contrast apart."""
        prepared = torch.empty(views_NCHW.shape, dtype=torch.float32)
        at_once = max(1, _PIXELS_AT_ONCE // views_NCHW.shape[-2:].numel())
        hue_first = torch.tensor(IS_HUE_FIRST)[parameters_NP[:, ORDER].long()]
        for steps, rows in ((HUE_FIRST, hue_first.nonzero()), (CONTRAST_FIRST, hue_first.logical_not().nonzero())):
            for part in rows[:, 0].split(at_once):
                prepared[part] = self._together(augmented, views_NCHW[part], parameters_NP[part], steps=steps, blur=blur_small)
        return prepared

    def _apply_together(self, views_NCHW: Tensor, parameters_NP: Tensor) -> Tensor:
        return self._together(self._function(augmented), views_NCHW, parameters_NP, steps=EITHER, blur=blur_by_taps)

    def _together(self, function: Function, views_NCHW: Tensor, parameters_NP: Tensor, *, steps: Steps, blur: Function) -> Tensor:
        device = views_NCHW.device
        normalization = _column(self.mean, device), _column(self.std, device)
        any_hue = self._factor_ranges[HUE][1] > 1 / 6
        tables = places_of_orders(steps, device)
        if function is not augmented:  # compiled once for all numbers of views
            for tensor in (views_NCHW, parameters_NP):
                torch._dynamo.maybe_mark_dynamic(tensor, 0)
        prepared: Tensor = function(
            views_NCHW, parameters_NP, tables, normalization, reach=self._reach, steps=steps, any_hue=any_hue, blur=blur
        )
        return prepared

    def _function(self, function: Function) -> Function:
        return compiled(function) if self._compiles else function


def _planes(picture_CHW: Tensor) -> Planes:
    red, green, blue = picture_CHW
    return red, green, blue


@functools.lru_cache(maxsize=8)  # copied once to each device: a copy synchronizes
def _column(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device)[:, None, None]


def _normalize_(views: Tensor, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """In place: (x - mean) / std of views `[N, C, H, W]` or `[N, C, T, H, W]`."""
    per_channel = (-1, *(1,) * (views.ndim - 2))
    mean_C, std_C = (_column(values, views.device).reshape(per_channel) for values in (mean, std))
    return views.sub_(mean_C).div_(std_C)


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
