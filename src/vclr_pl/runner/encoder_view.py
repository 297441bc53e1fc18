"""Size, crop and normalization of fine-tuning that follow from the encoder, for options that the user does not give."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from vclr_pl.runner.sizes import is_given
from vclr_pl.types import usual_short_side

logger = logging.getLogger(__name__)


def fit_to_encoder(config: DictConfig, *, view: Mapping[str, Any], clip: Mapping[str, Any], given: Sequence[str]) -> None:
    """Set the view of training and test to the one that the encoder was trained with, in place, and log it.

    A size that the user gives for training holds for the test too.

    Args:
        view: `crop_pixels`, `short_side_pixels`, `mean`, `std`, as far as the encoder's file gives them.
        clip: `frames_per_clip`, `frame_stride`, as far as the file gives them.
        given: keys on the command line.
    """
    size = view.get("crop_pixels")
    if size is None:
        logger.info(
            "views of %s pixels, as published: the encoder names no size (transform.size_pixels=... changes it)",
            OmegaConf.select(config, "transform.size_pixels"),
        )
        return
    chosen = {**{f"sampling.{name}": value for name, value in clip.items()}, **_normalization(view), **_sizes(config, view, given)}
    for key, value in chosen.items():
        if not is_given(key, given) and OmegaConf.select(config, key, throw_on_missing=False) is not None:
            with open_dict(config):
                OmegaConf.update(config, key, value, merge=False)
    logger.info(
        "views of %d pixels in training, the center %d pixels of a short side of %d in the test: the encoder was trained with %d "
        "(transform.size_pixels, evaluation_view.*; fit_to_encoder=false takes the published sizes)",
        config.transform.size_pixels,
        config.evaluation_view.crop_pixels,
        config.evaluation_view.short_side_pixels,
        size,
    )


def _normalization(view: Mapping[str, Any]) -> dict[str, Any]:
    return {f"color_augmentation.{name}": list(view[name]) for name in ("mean", "std") if view.get(name) is not None}


def _sizes(config: DictConfig, view: Mapping[str, Any], given: Sequence[str]) -> dict[str, int]:
    """Crops, and short sides in the proportion of the encoder's."""
    of_encoder = view["crop_pixels"]
    side = view.get("short_side_pixels") or usual_short_side(of_encoder)
    sizes: dict[str, int] = {}
    training = of_encoder
    for group, crop in (("transform", "size_pixels"), ("evaluation_view", "crop_pixels")):
        key = f"{group}.{crop}"
        pixels = OmegaConf.select(config, key) if is_given(key, given) else training
        if group == "transform":
            training = pixels
        sizes |= {key: pixels, f"{group}.short_side_pixels": round(side * pixels / of_encoder)}
    return sizes
