"""Procedural untrimmed videos: the demo's scenes are events at known times, with background and distractors in between.

A video is a sequence of stretches. An event has one of the demo's classes, three kinds of objects one after the other; background has
none; a distractor has a single kind, like each frame of an event. Each stretch has its own brightness, so cuts reveal no event.
As in most of ActivityNet's videos, all events of a video are of one class.

Legend: T frames, H W pixels.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vclr_pl.datasets.activitynet import TRAINING, VALIDATION
from vclr_pl.datasets.demo.drawing import Appearance, render_scene
from vclr_pl.datasets.demo.kinds import KINDS
from vclr_pl.datasets.demo.rendering import FRAMES_PER_SECOND, encode_h264
from vclr_pl.datasets.demo.splits import require_own_cache
from vclr_pl.datasets.demo.tasks import CLASS_KINDS, composition_class
from vclr_pl.datasets.untrimmed import LocalizationSet, localization_set
from vclr_pl.files import write_whole
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import InputError

VERSION = 1  # version of the drawing: increment it whenever a pixel or a time changes
ANNOTATIONS = "annotations.json"
VIDEOS = "videos"
EVENT_SECONDS = (4.0, 16.0)
PAUSE_SECONDS = (3.0, 12.0)
DISTRACTORS = 0.3  # lengths of the stretches between events
LEAST_SECONDS = 12.0


@dataclass(frozen=True, kw_only=True)
class UntrimmedSettings:
    """All settings that determine the content of the set."""

    seed: int
    training_videos: int
    validation_videos: int
    seconds_range: tuple[float, float]
    size_pixels: int
    appearance: Appearance

    def describe(self) -> dict[str, Any]:
        """The content of `settings.json`."""
        chosen = {**asdict(self), "appearance": self.appearance.describe()}
        return {"version": VERSION, "frames_per_second": FRAMES_PER_SECOND, **chosen}

    def check(self, *, node: str) -> None:
        """Check the values, which are options of the config's `node`. Raises InputError for a value out of range."""
        for key, least in (("training_videos", 1), ("validation_videos", 1), ("seed", 0)):
            if getattr(self, key) < least:
                raise InputError(
                    expected=f"{node}.{key} of at least {least}", got=str(getattr(self, key)), hint=f"Set {node}.{key}=NUMBER."
                )
        if not LEAST_SECONDS <= self.seconds_range[0] <= self.seconds_range[1]:
            raise InputError(
                expected=f"an ascending {node}.seconds_range, of {LEAST_SECONDS:g} or more",
                got=str(list(self.seconds_range)),
                hint=f"Set {node}.seconds_range=[30,60].",
            )
        if self.size_pixels < 16 or self.size_pixels % 2:
            raise InputError(expected=f"{node}.size_pixels even, 16 or more", got=str(self.size_pixels), hint=f"Set {node}.size_pixels=56.")

    @property
    def folder_name(self) -> str:
        digest = hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()
        return f"seed{self.seed}-{digest[:8]}"


@dataclass(frozen=True)
class Stretch:
    """Frames `first` to `end` (exclusive); its kinds of objects, none for background."""

    first: int
    end: int
    kinds: tuple[int, ...]

    @property
    def is_event(self) -> bool:
        return len(set(self.kinds)) > 1

    @property
    def label(self) -> str:
        """The demo's name of the class."""
        return "".join(sorted(KINDS[kind][0] for kind in self.kinds))


def demo_untrimmed(
    *,
    root: str | Path,
    seed: int,
    training_videos: int,
    validation_videos: int,
    seconds_range: tuple[float, float],
    size_pixels: int,
    appearance: Appearance,
) -> LocalizationSet:
    """Videos and annotations below `root`, one folder for each seed and setting; existing files are kept.

    Args:
        seconds_range: least and largest length of a video.
        size_pixels: height and width, even.

    Raises:
        InputError: a value out of range, or a `root` with other files in it.
    """
    settings = UntrimmedSettings(
        seed=seed,
        training_videos=training_videos,
        validation_videos=validation_videos,
        seconds_range=(float(seconds_range[0]), float(seconds_range[1])),
        size_pixels=size_pixels,
        appearance=appearance,
    )
    settings.check(node="untrimmed")
    folder = Path(root).expanduser()
    require_own_cache(folder, key="untrimmed.root", own_videos="untrimmed.root=DIR untrimmed.annotations=FILE, without the demo")
    folder = render_untrimmed(root=folder, settings=settings)
    return localization_set(annotations=str(folder / ANNOTATIONS), root=str(folder / VIDEOS))


def render_untrimmed(*, root: Path, settings: UntrimmedSettings) -> Path:
    """Render the missing videos of the set. Return its folder: `annotations.json`, `videos/<identity>.mp4`."""
    folder = root / settings.folder_name
    planned = {identity: plan_video(identity, settings) for identity in identities(settings)}
    missing = [identity for identity in planned if not (folder / VIDEOS / f"{identity}.mp4").is_file()]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    if missing:
        with Progress(*columns) as progress:
            for identity in progress.track(missing, description=f"Rendering untrimmed videos into {folder.name}"):
                stop_if_requested()
                write_whole(folder / VIDEOS / f"{identity}.mp4", render_video(identity, planned[identity], settings))
    write_whole(folder / "settings.json", json.dumps(settings.describe(), indent=2))
    write_whole(folder / ANNOTATIONS, json.dumps(database(planned), indent=1))
    return folder


def identities(settings: UntrimmedSettings) -> list[str]:
    """All videos, training videos first. More videos do not change the existing ones."""
    return [
        *(f"training_{number:03}" for number in range(settings.training_videos)),
        *(f"validation_{number:03}" for number in range(settings.validation_videos)),
    ]


def plan_video(identity: str, settings: UntrimmedSettings) -> list[Stretch]:
    """Alternate background and events, to the end of the video."""
    generator = _generator(identity, settings, purpose=0)
    frames = round(generator.uniform(*settings.seconds_range) * FRAMES_PER_SECOND)
    stretches: list[Stretch] = []
    first = 0
    is_event, event = bool(generator.random() < 0.25), CLASS_KINDS[int(generator.integers(len(CLASS_KINDS)))]
    while first < frames:
        length = round(generator.uniform(*(EVENT_SECONDS if is_event else PAUSE_SECONDS)) * FRAMES_PER_SECOND)
        end = min(first + length, frames)
        if frames - end < PAUSE_SECONDS[0] * FRAMES_PER_SECOND:
            end = frames
        stretches.append(Stretch(first, end, event if is_event else _pause(generator)))
        first, is_event = end, not is_event
    return stretches if any(stretch.is_event for stretch in stretches) else [replace(stretches[0], kinds=event), *stretches[1:]]


def render_video(identity: str, stretches: list[Stretch], settings: UntrimmedSettings) -> bytes:
    """The bytes of the video's MP4 file."""
    generator = _generator(identity, settings, purpose=1)
    parts = []
    for stretch in stretches:
        appearance = settings.appearance if stretch.kinds else replace(settings.appearance, copies=0)
        kinds = stretch.kinds if stretch.is_event else (*stretch.kinds, 0, 0, 0)[:1] * 3
        parts.append(
            render_scene(
                scene_class=composition_class((kinds[0], kinds[1], kinds[2])),
                frames=stretch.end - stretch.first,
                size_pixels=settings.size_pixels,
                appearance=appearance,
                generator=generator,
            )
        )
    return encode_h264(np.concatenate(parts))


def database(planned: dict[str, list[Stretch]]) -> dict[str, Any]:
    """Annotations in ActivityNet's format, with the videos' lengths in frames."""
    return {
        "version": "procedural",
        "database": {
            identity: {
                "subset": TRAINING if identity.startswith(TRAINING) else VALIDATION,
                "duration": stretches[-1].end / FRAMES_PER_SECOND,
                "frames": stretches[-1].end,
                "annotations": [
                    {"label": stretch.label, "segment": [stretch.first / FRAMES_PER_SECOND, stretch.end / FRAMES_PER_SECOND]}
                    for stretch in stretches
                    if stretch.is_event
                ],
            }
            for identity, stretches in planned.items()
        },
        "taxonomy": [{"nodeName": composition_class(kinds).name, "parentName": "Event"} for kinds in CLASS_KINDS],
    }


def _pause(generator: Generator) -> tuple[int, ...]:
    """One kind, or none."""
    kind, distracts = int(generator.integers(len(KINDS))), generator.random() < DISTRACTORS
    return (kind,) if distracts else ()


def _generator(identity: str, settings: UntrimmedSettings, *, purpose: int) -> Generator:
    subset, _, number = identity.partition("_")
    return np.random.default_rng((settings.seed, int(subset == TRAINING), int(number), purpose))
