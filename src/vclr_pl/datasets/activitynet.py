"""ActivityNet 1.3: its annotation file, which localization also reads, and its videos for recognition.

ActivityNet's file contains empty segments and segments that exceed their video. They are dropped or cut, and the log lists them.
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

from vclr_pl.datasets.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.datasets.video_file import held
from vclr_pl.datasets.video_scan import VideoIndex, data_folder, few, no_videos
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.path import Folder
from vclr_pl.types import InputError
from vclr_pl.video.container import video_seconds
from vclr_pl.video.protocol import VideoReadError

TRAINING, VALIDATION = "training", "validation"
SUBSETS = (TRAINING, VALIDATION, "testing")
EMPTY, OUTSIDE, CUT = "are empty and dropped", "are outside their video and dropped", "exceed their video and are cut"
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
    """Videos in the file's order, without those of unknown duration; `identities` includes them.

    `taxonomy` is the file's list of nodes, `frames` the lengths in frames, if the file has them.
    """

    videos: tuple[AnnotatedVideo, ...]
    identities: tuple[str, ...]
    frames: dict[str, int]
    taxonomy: Any


def read_annotations(path: Folder, *, option: str, seconds_of: SecondsOf) -> AnnotationFile:
    """Read and check a file of annotations.

    Args:
        path: JSON, `{"database": {identity: {"subset": ..., "duration": ..., "annotations": [{"label": ..., "segment": [start, end]}]}}}`,
            in seconds. `frames`, the video's length in frames, is optional.
        option: the option that names the file, for errors.
        seconds_of: the duration by identity if the file has none, or 0; None for an unreadable video, which is left out.

    Raises:
        InputError: no file, not JSON of that format, an invalid field, or most segments outside their videos.
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
            hint="Correct the segments or the durations.",
        )
    for problem, identities in notes.items():
        if identities:
            log.warning("%s: %d segments %s, in %s", path.name, len(identities), problem, few(list(dict.fromkeys(identities))))
    return AnnotationFile(
        videos=tuple(videos),
        identities=tuple(database),
        frames={identity: entry["frames"] for identity, entry in database.items() if entry.get("frames")},
        taxonomy=content.get("taxonomy"),
    )


def _content(path: Folder, *, option: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise _no_database(path, f"{type(error).__name__}: {error}", option=option) from None
    if not isinstance(content, dict) or not isinstance(content.get("database"), dict) or not content["database"]:
        raise _no_database(path, "no object 'database' with videos in it", option=option)
    return content


def _no_database(path: Folder, cause: str, *, option: str) -> InputError:
    return InputError(
        expected="annotations in ActivityNet's format, a JSON object with 'database'",
        got=f"'{path}' ({cause})",
        hint=f"docs/localization.md shows the format; set {option}=FILE.",
    )


def _check(identity: str, entry: Any) -> None:
    """Check the fields of a video, except its segments."""
    if not identity or identity in (".", "..") or "/" in identity or "\0" in identity:
        raise InputError(
            expected="an identity that is a valid file name", got=repr(identity), hint="Give the videos names without slashes."
        )
    if not isinstance(entry, dict):
        raise wrong(identity, "entry", "an object", entry)
    if entry.get("subset") not in SUBSETS:
        raise wrong(identity, "subset", f"one of {', '.join(SUBSETS)}", entry.get("subset"))
    duration: Any = entry.get("duration")
    if duration is not None and (not _is_number(duration) or duration < 0):
        raise wrong(identity, "duration", "seconds above 0, or no value", duration)
    frames = entry.get("frames")
    if frames is not None and (not isinstance(frames, int) or isinstance(frames, bool) or frames < 1):
        raise wrong(identity, "frames", "a number of frames, or no value", frames)
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


def _segment(identity: str, field: str, annotation: Any) -> tuple[str, float, float]:
    if not isinstance(annotation, dict):
        raise wrong(identity, field, "an object with label and segment", annotation)
    label, segment = annotation.get("label"), annotation.get("segment")
    if not isinstance(label, str) or not label:
        raise wrong(identity, f"{field}.label", "a name", label)
    if not isinstance(segment, list) or len(segment) != 2 or not all(map(_is_number, segment)):
        raise wrong(identity, f"{field}.segment", "[start, end] in seconds", segment)
    return label, float(segment[0]), float(segment[1])


def wrong(identity: str, name: str, expected: str, got: Any) -> InputError:
    """The error for a field of a video."""
    shown = "nothing" if got is None else repr(got)
    return InputError(expected=f"video '{identity}', field {name}: {expected}", got=shown, hint="Correct the annotations.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


DATABASE_NAMES = ("activity_net.v1-3.min.json", "activity_net.v1-3.json")
LIST_FOLDERS = ("", "annotations", "lists")
SUBSET_OF_SPLIT = {"train": TRAINING, "test": VALIDATION}


def activitynet(*, root: str | Path, trim: bool, database: str | Path | None = None, cache: FileCache | None = None) -> VideoSplits:
    """Training and validation set; the validation set is `test`.

    Args:
        root: folder with the videos, `v_<id>.mp4` (or .mkv, .webm; `v_` is optional), at any depth, and the database.
        trim: false for one whole video each, labeled with its first activity; true for one annotated segment each.
        database: path of `activity_net.v1-3.min.json`, if it is not in `root`.
        cache: for the URL of a server.

    Videos of the database that are not on disk are counted (`VideoSplits.absent`) and skipped: many are no longer available.

    Raises:
        InputError: a missing folder or database, no video of a subset on disk, or several files of one video.
    """
    folder = data_folder(root, cache=cache)
    path = _database_path(folder, database=database)
    index = VideoIndex(folder)

    def file_of(identity: str) -> Folder | None:
        file = index.find(identity, f"v_{identity}")
        return None if file is None else folder / file

    def seconds_of(identity: str) -> float | None:
        if not trim:
            return math.inf  # whole videos need no length
        file = file_of(identity)
        if file is None:
            return None
        try:
            with held(file) as local:
                return video_seconds(local)
        except VideoReadError:
            return None

    annotations = read_annotations(path, option="data.database", seconds_of=seconds_of)
    videos = annotations.videos
    class_names = tuple(sorted({label for video in videos for label in video.labels}))
    absent, manifests = 0, {}
    for name, subset in SUBSET_OF_SPLIT.items():
        listed = [video for video in videos if video.subset == subset]
        present = [video for video in listed if file_of(video.identity) is not None]
        if not present:
            raise _none_listed(folder, path, subset) if index else no_videos(folder)
        absent += len(listed) - len(present)
        manifests[name] = _manifest(present, root=folder, file_of=file_of, trim=trim, class_names=class_names)
    index.refuse_clashes()
    index.tell_unlisted(path.name, known=[f"{prefix}{identity}" for identity in annotations.identities for prefix in ("", "v_")])
    if absent:
        log.warning("%s: %d videos are not below %s; continuing without them", path.name, absent, folder)
    return VideoSplits(train=manifests["train"], test=manifests["test"], absent=absent, published=True).told(root=folder)


def _none_listed(folder: Folder, path: Folder, subset: str) -> InputError:
    return InputError(
        expected=f"videos v_<id> of the subset '{subset}' of '{path}' below '{folder}'",
        got="none of them",
        hint="Set data.root=DIR and data.database=FILE to the videos and their database.",
    )


def _manifest(
    videos: list[AnnotatedVideo], *, root: Folder, file_of: Callable[[str], Folder | None], trim: bool, class_names: tuple[str, ...]
) -> Manifest:
    builder = ManifestBuilder(root=root)
    for video in videos:
        path = file_of(video.identity)
        assert path is not None
        if not trim:
            builder.add(path, video.labels[0] if video.labels else None)
            continue
        for segment in video.segments:
            span = (segment.start_seconds / video.duration_seconds, segment.end_seconds / video.duration_seconds)
            builder.add(path, segment.label, span=span)
    if not len(builder):
        raise InputError(expected="annotated segments", got=f"none in {len(videos)} videos", hint="Set data.trim=false for whole videos.")
    if trim and (without := [video.identity for video in videos if not video.segments]):
        log.warning("%d videos have no segment and are left out: %s", len(without), few(without))
    return builder.finish(class_names=class_names)


def _database_path(folder: Folder, *, database: str | Path | None) -> Folder:
    given = [] if database is None else [Path(database).expanduser()]
    candidates: list[Folder] = [*given] or [folder / subfolder / name for subfolder in LIST_FOLDERS for name in DATABASE_NAMES]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise InputError(
            expected=f"ActivityNet's database '{candidates[0]}'",
            got="no such file",
            hint="Set data.database=FILE, or put it into data.root=DIR.",
        )
    return found
