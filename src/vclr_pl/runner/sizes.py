"""Sizes of a pretraining run that follow from the number of videos and the machine, for options that the user does not give."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from vclr_pl.config_path import config_folder
from vclr_pl.report.record import CONFIG_FILE

logger = logging.getLogger(__name__)

LARGEST_BATCH, PUBLISHED_QUEUE, PUBLISHED_EPOCHS, PUBLISHED_WARMUP = 32, 131_072, 400, 5
PUBLISHED_PIXELS, PUBLISHED_BLUR = 224, (0.1, 2.0)
STEPS_PER_EPOCH = 4  # at least: the order of the videos is drawn anew in each epoch
STEPS_ON_GPU, STEPS_ON_CPU = 20_000, 2_000
CONTINUED = 10  # a run from loaded weights has a tenth of the steps
VIDEOS_FOR_RESNET50 = 5_000
FAST_MOMENTUM_BELOW = 10_000  # steps: at 0.999 the momentum encoder is an average over about a thousand


@dataclass(frozen=True)
class Size:
    """A value for an option, and the reason for it."""

    value: Any
    reason: str


def sizes_for(
    *,
    videos: int,
    has_gpu: bool,
    processes: int,
    segments: int,
    batch: int | None = None,
    epochs: int | None = None,
    pixels: int | None = None,
    continued: bool = False,
) -> dict[str, Size]:
    """The value of each option by its key.

    Args:
        videos: in the training list.
        has_gpu: the run uses GPUs.
        processes: devices of the run.
        segments: of a video, each of which adds a key to the inter queue.
        batch, epochs, pixels: those that the user gives, which the other sizes follow.
        continued: the run starts from loaded weights.
    """
    batch = batch or max(2, power_of_two(min(LARGEST_BATCH, videos // (STEPS_PER_EPOCH * processes))))
    step = batch * processes
    inter, segment = (max(min(PUBLISHED_QUEUE, power_of_two(keys * videos)), keys * step + 1) for keys in (segments, 1))
    budget = (STEPS_ON_GPU if has_gpu else STEPS_ON_CPU) // (CONTINUED if continued else 1)
    epochs = epochs or max(1, min(PUBLISHED_EPOCHS, math.ceil(budget * step / videos)))
    steps = epochs * videos // step
    crop = pixels or (PUBLISHED_PIXELS if has_gpu else PUBLISHED_PIXELS // 2)
    large = has_gpu and videos >= VIDEOS_FOR_RESNET50
    return {
        "backbone": Size(
            "resnet50" if large else "resnet18", f"resnet50 from {VIDEOS_FOR_RESNET50:,} videos on a GPU, else the smaller network"
        ),
        "transform.size_pixels": Size(crop, "224, as published, on a GPU; a quarter of the pixels on a CPU"),
        "color_augmentation.blur_sigma_pixels": Size(
            [PUBLISHED_BLUR[0], round(PUBLISHED_BLUR[1] * crop / PUBLISHED_PIXELS, 2)],
            "the published 2 pixels of 224, in proportion to the crop",
        ),
        "loader.batch_size": Size(batch, f"{STEPS_PER_EPOCH} or more steps in an epoch, at most {LARGEST_BATCH}"),
        "queue.inter.length": Size(inter, f"at most the {segments} keys of each video, so that a video is no negative of itself"),
        "queue.segment.length": Size(segment, "at most the one key of each video"),
        "trainer.max_epochs": Size(
            epochs,
            f"about {budget:,} steps on a {'GPU' if has_gpu else 'CPU'}{', from loaded weights' if continued else ''}, "
            f"at most {PUBLISHED_EPOCHS} epochs",
        ),
        "schedule.warmup_epochs": Size(min(PUBLISHED_WARMUP, epochs / 10), f"{PUBLISHED_WARMUP}, at most a tenth of the run"),
        "momentum_encoder.momentum": Size(0.99 if steps < FAST_MOMENTUM_BELOW else 0.999, f"0.99 below {FAST_MOMENTUM_BELOW:,} steps"),
        "callback.knn_monitor.every_n_epochs": Size(max(1, epochs // 4), "four times in the run"),
    }


def power_of_two(limit: int) -> int:
    """The largest power of two that is at most `limit`; 1 for less."""
    return 1 << max(0, int(limit).bit_length() - 1)


def fit_to_data(config: DictConfig, *, sizes: Mapping[str, Size], given: Sequence[str], videos: int) -> dict[str, Size]:
    """Set the options that the user does not give, in place, and log each with its reason. Returns those that it set.

    Args:
        given: keys on the command line.
    """
    weights = {"backbone"} if config.get("weight") is not None else set[str]()  # the network is the one of the file
    chosen = {}
    for key, size in sizes.items():
        if is_given(key, given) or key in weights or not _has(config, key):
            continue
        logger.info("%s=%s for %d videos: %s", key, _shown(size.value), videos, size.reason)
        _set(config, key, OmegaConf.load(config_folder() / "backbone" / f"{size.value}.yaml") if key == "backbone" else size.value)
        chosen[key] = size
    return chosen


def keep_sizes_of(config: DictConfig, *, run: Path, given: Sequence[str]) -> None:
    """Set the same options as an earlier run did, whose `config.yaml` is in the folder `run`."""
    file = run / CONFIG_FILE
    earlier = OmegaConf.load(file) if file.is_file() else OmegaConf.create()
    assert isinstance(earlier, DictConfig)
    for key in sizes_for(videos=1, has_gpu=False, processes=1, segments=1):
        if not is_given(key, given) and _has(config, key) and _has(earlier, key):
            _set(config, key, OmegaConf.select(earlier, key))


def is_given(key: str, given: Sequence[str]) -> bool:
    """Whether one of the keys sets `key`: itself, its group, or the default that its group's nodes refer to."""
    group, _, option = key.partition(".")
    referred = f"{group}.default.{option.rpartition('.')[2]}"
    return any(name in (key, group, referred) or (key == "backbone" and name.startswith("backbone.")) for name in given)


def _has(config: DictConfig, key: str) -> bool:
    return OmegaConf.select(config, key, throw_on_missing=False) is not None


def _set(config: DictConfig, key: str, value: Any) -> None:
    with open_dict(config):
        OmegaConf.update(config, key, value, merge=False)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
