"""the published color augmentation, and one that leaves colors alone, for tests that need some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from vclr_pl.data.transform.color_augmentation import ColorAugmentation


def published_color(
    *, mean: Sequence[float] = (0, 0, 0), std: Sequence[float] = (1, 1, 1), compile: bool | Literal["auto"] = "auto"
) -> ColorAugmentation:
    return ColorAugmentation(
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        jitter_probability=0.8,
        gray_probability=0.2,
        blur_sigma_pixels=(0.1, 2.0),
        blur_probability=0.5,
        flip_probability=0.5,
        mean=mean,
        std=std,
        compile=compile,
    )


def plain_color() -> ColorAugmentation:
    """To [0, 1], and nothing else."""
    return ColorAugmentation(
        brightness=0,
        contrast=0,
        saturation=0,
        hue=0,
        jitter_probability=0,
        gray_probability=0,
        blur_sigma_pixels=(0.1, 2.0),
        blur_probability=0,
        flip_probability=0,
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
