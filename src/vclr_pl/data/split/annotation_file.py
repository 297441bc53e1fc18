"""Annotated segments of untrimmed videos, from a JSON file in ActivityNet's form; errors name video and field.

ActivityNet's own file has empty segments and some that reach out of their video. They are dropped or cut, counted, and named in the log.
"""

from __future__ import annotations

import json
import logging
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vclr_pl.data.split.video_scan import few
from vclr_pl.types import InputError

TRAINING, VALIDATION = "training", "validation"
SUBSETS = (TRAINING, VALIDATION, "testing")
EMPTY, OUTSIDE, CUT = "are empty and dropped", "are outside their video and dropped", "reach out of their video and are cut"
log = logging.getLogger(__name__)

SecondsOf = Callable[[str], float | None]


@dataclass(frozen=True)
class AnnotatedSegment:
    """One activity in a video, from `start_seconds` to `end_seconds`."""

    label: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class AnnotatedVideo:
    """One video of the file; those of the subset `testing` have no segments. `labels` are those of dropped segments too."""

    identity: str
    subset: str
    duration_seconds: float
    segments: tuple[AnnotatedSegment, ...]
    labels: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class AnnotationFile:
    """Videos in the file's order, without those whose duration is unknown; `identities` are of all.

    `taxonomy` holds the file's list of nodes, `frames` lengths in frames where the file has them.
    """

    videos: tuple[AnnotatedVideo, ...]
    identities: tuple[str, ...]
    frames: dict[str, int]
    taxonomy: Any


def read_annotations(path: Path, *, option: str, seconds_of: SecondsOf) -> AnnotationFile:
    """Read and check a file of annotations.

    Args:
        path: JSON, `{"database": {identity: {"subset": ..., "duration": ..., "annotations": [{"label": ..., "segment": [start, end]}]}}}`,
            seconds; `frames`, the video's length in frames, may stand beside the duration.
        option: of the command line, that names the file.
        seconds_of: the duration by identity where the file has none, or 0; None for a video that cannot be read, which is left out.

    Raises:
        InputError: no file, no JSON of that form, a field that does not fit, or most segments outside their videos.
    """
    content = _content(path, option=option)
    database = content["database"]
    notes: dict[str, list[str]] = defaultdict(list)
    videos, unknown = [], []
    for identity, entry in database.items():
        _check(identity, entry)
        seconds = entry.get("duration") or seconds_of(identity)
        if seconds is None:
            unknown.append(identity)
        else:
            videos.append(_video(identity, entry, seconds=float(seconds), notes=notes))
    if unknown:
        log.warning("%s: %d videos have no duration, in the file or on disk, and are left out: %s", path.name, len(unknown), few(unknown))
    annotated = sum(len(video.labels) for video in videos)
    if 2 * len(notes[OUTSIDE]) > annotated:
        raise InputError(
            expected=f"segments of '{path}' inside their videos, in seconds",
            got=f"{len(notes[OUTSIDE])} of {annotated} outside, in {few(sorted(set(notes[OUTSIDE])))}",
            remedy="Correct the segments or the durations.",
        )
    for told, identities in notes.items():
        if identities:
            log.warning("%s: %d segments %s, in %s", path.name, len(identities), told, few(list(dict.fromkeys(identities))))
    return AnnotationFile(
        videos=tuple(videos),
        identities=tuple(database),
        frames={identity: entry["frames"] for identity, entry in database.items() if entry.get("frames")},
        taxonomy=content.get("taxonomy"),
    )


def _content(path: Path, *, option: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise _no_database(path, f"{type(error).__name__}: {error}", option=option) from None
    if not isinstance(content, dict) or not isinstance(content.get("database"), dict) or not content["database"]:
        raise _no_database(path, "no object 'database' with videos in it", option=option)
    return content


def _no_database(path: Path, cause: str, *, option: str) -> InputError:
    return InputError(
        expected="annotations in ActivityNet's form, a JSON object with 'database'",
        got=f"'{path}' ({cause})",
        remedy=f"docs/localization.md shows the form; set {option}=FILE.",
    )


def _check(identity: str, entry: Any) -> None:
    """The fields of a video, but for its segments."""
    if not identity or identity in (".", "..") or "/" in identity or "\0" in identity:
        raise InputError(expected="an identity that can name a file", got=repr(identity), remedy="Give the videos names without slashes.")
    if not isinstance(entry, dict):
        raise wrong(identity, "entry", "an object", entry)
    if entry.get("subset") not in SUBSETS:
        raise wrong(identity, "subset", f"one of {', '.join(SUBSETS)}", entry.get("subset"))
    duration: Any = entry.get("duration")
    if duration is not None and (not _is_number(duration) or duration < 0):
        raise wrong(identity, "duration", "seconds above 0, or nothing", duration)
    frames = entry.get("frames")
    if frames is not None and (not isinstance(frames, int) or isinstance(frames, bool) or frames < 1):
        raise wrong(identity, "frames", "a number of frames, or nothing", frames)
    if not isinstance(entry.get("annotations", []), list):
        raise wrong(identity, "annotations", "a list", entry["annotations"])


def _video(identity: str, entry: dict[str, Any], *, seconds: float, notes: dict[str, list[str]]) -> AnnotatedVideo:
    kept, labels = [], []
    for number, annotation in enumerate(entry.get("annotations", [])):
        label, start, end = _segment(identity, f"annotations[{number}]", annotation)
        labels.append(label)
        if end <= start or end <= 0 or start >= seconds:
            notes[EMPTY if end <= start else OUTSIDE].append(identity)
            continue
        if start < 0 or end > seconds:
            notes[CUT].append(identity)
        kept.append(AnnotatedSegment(label=label, start_seconds=max(0.0, start), end_seconds=min(seconds, end)))
    return AnnotatedVideo(identity, entry["subset"], seconds, tuple(kept), labels=tuple(labels))


def _segment(identity: str, place: str, annotation: Any) -> tuple[str, float, float]:
    if not isinstance(annotation, dict):
        raise wrong(identity, place, "an object with label and segment", annotation)
    label, segment = annotation.get("label"), annotation.get("segment")
    if not isinstance(label, str) or not label:
        raise wrong(identity, f"{place}.label", "a name", label)
    if not isinstance(segment, list) or len(segment) != 2 or not all(map(_is_number, segment)):
        raise wrong(identity, f"{place}.segment", "[start, end] in seconds", segment)
    return label, float(segment[0]), float(segment[1])


def wrong(identity: str, name: str, expected: str, got: Any) -> InputError:
    """The error on a field of a video."""
    told = "nothing" if got is None else repr(got)
    return InputError(expected=f"video '{identity}', field {name}: {expected}", got=told, remedy="Correct the annotations.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
