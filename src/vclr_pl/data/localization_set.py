"""Untrimmed videos and the segments in them, from a JSON file in ActivityNet's form; checked, so that errors name video and field."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vclr_pl.data.split.activitynet import AnnotatedSegment, AnnotatedVideo
from vclr_pl.data.split.video_scan import data_folder, few, scan_videos
from vclr_pl.types import InputError

TRAINING, VALIDATION = "training", "validation"
SUBSETS = (TRAINING, VALIDATION, "testing")
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LocalizationSet:
    """Annotated videos in the order of the file. `frames` holds the videos' lengths in frames, where the file tells them."""

    videos: tuple[AnnotatedVideo, ...]
    class_names: tuple[str, ...]
    frames: Mapping[str, int]
    root: Path | None
    source: Path

    def subset(self, name: str) -> tuple[AnnotatedVideo, ...]:
        return tuple(video for video in self.videos if video.subset == name)

    def paths(self) -> dict[str, str]:
        """Video files by identity: `<identity>` or `v_<identity>` with any video's suffix, however deep below `root`.

        Raises InputError without a `root`, or where none of the videos is below it.
        """
        if self.root is None:
            raise InputError(
                expected="the folder of the videos", got="untrimmed.root=null", remedy="Set untrimmed.root=DIR, or snippets=DIR."
            )
        wanted = {video.identity for video in self.videos}
        found = {}
        for path in scan_videos(data_folder(self.root, key="untrimmed.root")):
            stem = Path(path).stem
            identity = stem if stem in wanted else stem.removeprefix("v_")
            if identity in wanted:
                found[identity] = str(self.root / path)
        if not found:
            raise InputError(
                expected=f"videos named <identity> or v_<identity> below '{self.root}', as '{self.source.name}' names them",
                got=f"none, for instance no '{self.videos[0].identity}.mp4'",
                remedy="Set untrimmed.root=DIR and untrimmed.annotations=FILE to what belongs together.",
            )
        return found

    def digest(self) -> str:
        """Sixteen hexadecimal digits of what was read from the file."""
        return hashlib.sha256(repr((self.videos, self.class_names, sorted(self.frames.items()))).encode()).hexdigest()[:16]


def localization_set(*, annotations: str, root: str | None, overhang_seconds: float) -> LocalizationSet:
    """Read and check a file of annotations.

    Args:
        annotations: JSON, `{"database": {identity: {"subset": ..., "duration": ..., "annotations": [{"label": ..., "segment": [start,
            end]}]}}}`, seconds; `frames`, the video's length in frames, may stand beside the duration. With `taxonomy` (ActivityNet's
            list of nodes with `nodeName`) a label must be one of its leaves, else one of a training video's.
        root: folder of the videos; None where features are at hand.
        overhang_seconds: by how much a segment may reach out of its video, as a few of ActivityNet's do; it is cut there.

    Raises:
        InputError: no file, no JSON of that form, or a video whose fields do not fit; the error names both.
    """
    path = Path(annotations).expanduser()
    content = _content(path)
    videos = tuple(_video(identity, entry, overhang_seconds=overhang_seconds) for identity, entry in content["database"].items())
    cut = {identity: count for identity, entry in content["database"].items() if (count := _overhangs(entry))}
    if cut:
        told = "%s: %d segments reach out of their video by up to %g s and are cut, in %s"
        log.warning(told, path.name, sum(cut.values()), overhang_seconds, few(tuple(cut)))
    class_names = _class_names(content, videos)
    for video in videos:
        _check_labels(video, known=class_names)
    return LocalizationSet(
        videos=videos,
        class_names=class_names,
        frames={identity: entry["frames"] for identity, entry in content["database"].items() if entry.get("frames")},
        root=None if root is None else Path(root).expanduser().absolute(),
        source=path,
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _no_database(path, f"{type(error).__name__}: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("database"), dict) or not content["database"]:
        raise _no_database(path, "no object 'database' with videos in it")
    return content


def _no_database(path: Path, cause: str) -> InputError:
    return InputError(
        expected="annotations in ActivityNet's form, a JSON object with 'database'",
        got=f"'{path}' ({cause})",
        remedy="docs/localization.md shows the form; set untrimmed.annotations=FILE.",
    )


def _video(identity: str, entry: Any, *, overhang_seconds: float) -> AnnotatedVideo:
    if not identity or identity in (".", "..") or "/" in identity or "\0" in identity:
        raise InputError(expected="an identity that can name a file", got=repr(identity), remedy="Give the videos names without slashes.")
    if not isinstance(entry, dict):
        raise _wrong(identity, "entry", "an object", entry)
    subset = entry.get("subset")
    if subset not in SUBSETS:
        raise _wrong(identity, "subset", f"one of {', '.join(SUBSETS)}", subset)
    duration: Any = entry.get("duration")
    if not _is_number(duration) or duration <= 0:
        raise _wrong(identity, "duration", "seconds above 0", duration)
    frames = entry.get("frames")
    if frames is not None and (not isinstance(frames, int) or isinstance(frames, bool) or frames < 1):
        raise _wrong(identity, "frames", "a number of frames, or nothing", frames)
    listed = entry.get("annotations", [])
    if not isinstance(listed, list):
        raise _wrong(identity, "annotations", "a list", listed)
    segments = tuple(
        _segment(identity, f"annotations[{number}]", annotation, duration=float(duration), overhang_seconds=overhang_seconds)
        for number, annotation in enumerate(listed)
    )
    return AnnotatedVideo(identity=identity, subset=subset, duration_seconds=float(duration), segments=segments)


def _segment(identity: str, field: str, annotation: Any, *, duration: float, overhang_seconds: float) -> AnnotatedSegment:
    if not isinstance(annotation, dict):
        raise _wrong(identity, field, "an object with label and segment", annotation)
    label, segment = annotation.get("label"), annotation.get("segment")
    if not isinstance(label, str) or not label:
        raise _wrong(identity, f"{field}.label", "a name", label)
    if not isinstance(segment, list) or len(segment) != 2 or not all(map(_is_number, segment)):
        raise _wrong(identity, f"{field}.segment", "[start, end] in seconds", segment)
    start, end = map(float, segment)
    if end <= start:
        raise _wrong(identity, f"{field}.segment", "an end after the start", segment)
    if start < -overhang_seconds or end > duration + overhang_seconds or start >= duration or end <= 0:
        raise InputError(
            expected=f"video '{identity}', field {field}.segment: a segment inside the video's {duration:g} s",
            got=repr(segment),
            remedy=f"Correct the annotations; untrimmed.overhang_seconds, now {overhang_seconds:g}, lets segments reach out and cuts them.",
        )
    return AnnotatedSegment(label=label, start_seconds=max(0.0, start), end_seconds=min(duration, end))


def _overhangs(entry: dict[str, Any]) -> int:
    return sum(found["segment"][0] < 0 or found["segment"][1] > entry["duration"] for found in entry.get("annotations", []))


def _class_names(content: dict[str, Any], videos: tuple[AnnotatedVideo, ...]) -> tuple[str, ...]:
    nodes = content.get("taxonomy")
    if isinstance(nodes, list) and nodes:
        names = {str(node.get("nodeName")) for node in nodes if isinstance(node, dict)}
        inner = {str(node.get("parentName")) for node in nodes if isinstance(node, dict)}
        return tuple(sorted(names - inner))
    training = set(_labels(video for video in videos if video.subset == TRAINING))
    return tuple(sorted(training or set(_labels(iter(videos)))))


def _labels(videos: Iterator[AnnotatedVideo]) -> Iterator[str]:
    return (segment.label for video in videos for segment in video.segments)


def _check_labels(video: AnnotatedVideo, *, known: tuple[str, ...]) -> None:
    for number, segment in enumerate(video.segments):
        if segment.label not in known:
            told = f"one of the {len(known)} known labels ({few(known)})"
            raise _wrong(video.identity, f"annotations[{number}].label", told, segment.label)


def _wrong(identity: str, field: str, expected: str, got: Any) -> InputError:
    told = "nothing" if got is None else repr(got)
    return InputError(expected=f"video '{identity}', field {field}: {expected}", got=told, remedy="Correct the annotations.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
