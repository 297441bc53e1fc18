"""ActivityNet 1.3 as its authors ship it: untrimmed videos and one JSON database of annotated segments."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vclr_pl.data.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.data.split.listed_video import inside_root
from vclr_pl.data.split.video_scan import data_folder, no_videos, scan_videos
from vclr_pl.types import InputError

DATABASE_NAMES = ("activity_net.v1-3.min.json", "activity_net.v1-3.json")
LIST_FOLDERS = ("", "annotations", "lists")
SUBSETS = {"train": "training", "test": "validation"}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnnotatedSegment:
    """One activity in a video, from `start_seconds` to `end_seconds`."""

    label: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class AnnotatedVideo:
    """One video of the database; those of the subset `testing` have no segments."""

    identity: str
    subset: str
    duration_seconds: float
    segments: tuple[AnnotatedSegment, ...]


def activitynet(*, root: str | Path, trim: bool, database: str | Path | None = None, allow_outside_root: bool = False) -> VideoSplits:
    """Training and validation set; the validation set is `test`.

    Args:
        root: holds the videos, `v_<id>.mp4` (or .mkv, .webm; `v_` may be missing), however deep, and the database.
        trim: false for one whole video each, labeled with its first activity; true for one annotated segment each.
        database: `activity_net.v1-3.min.json`, where it stands elsewhere.

    Videos of the database that are not on disk are counted (`VideoSplits.absent`) and passed over: many are no longer to be had.

    Raises:
        InputError: a missing folder or database, or no video of a subset on disk.
    """
    folder = data_folder(root)
    path = _database_path(folder, database=database)
    videos = read_database(path)
    for video in videos:
        inside_root(video.identity, root=folder, source=path.name, allow_outside_root=allow_outside_root)
    path_of = {Path(found).stem.removeprefix("v_"): found for found in scan_videos(folder)}
    class_names = tuple(sorted({segment.label for video in videos for segment in video.segments}))
    absent, manifests = 0, {}
    for name, subset in SUBSETS.items():
        listed = [video for video in videos if video.subset == subset]
        present = [video for video in listed if video.identity in path_of]
        if not present:
            raise no_videos(folder) if not path_of else _none_listed(folder, path, subset)
        absent += len(listed) - len(present)
        manifests[name] = _manifest(present, root=folder, path_of=path_of, trim=trim, class_names=class_names)
    if absent:
        log.warning("%s: %d videos are not below %s; the run goes on without them", path.name, absent, folder)
    return VideoSplits(train=manifests["train"], test=manifests["test"], absent=absent, published=True)


def _none_listed(folder: Path, path: Path, subset: str) -> InputError:
    return InputError(
        expected=f"videos v_<id> of the subset '{subset}' of '{path}' below '{folder}'",
        got="none of them",
        remedy="Set data.root=DIR and data.database=FILE to what belongs together.",
    )


def _manifest(videos: list[AnnotatedVideo], *, root: Path, path_of: dict[str, str], trim: bool, class_names: tuple[str, ...]) -> Manifest:
    builder = ManifestBuilder(root=os.fspath(root))
    for video in videos:
        path = root / path_of[video.identity]
        if not trim:
            builder.add(path, video.segments[0].label if video.segments else None)
            continue
        for segment in video.segments:
            span = (segment.start_seconds / video.duration_seconds, segment.end_seconds / video.duration_seconds)
            builder.add(path, segment.label, span=(max(0.0, span[0]), min(1.0, span[1])))
    return builder.finish(class_names=class_names)


def read_database(path: Path) -> list[AnnotatedVideo]:
    """Every video of the database, in its order."""
    try:
        database: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["database"]
        return [_video(identity, entry) for identity, entry in database.items()]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            expected="ActivityNet's database, a JSON object with 'database'",
            got=f"'{path}', which is none ({type(error).__name__}: {error})",
            remedy="Take activity_net.v1-3.min.json as published.",
        ) from None


def _video(identity: str, entry: dict[str, Any]) -> AnnotatedVideo:
    segments = tuple(
        AnnotatedSegment(
            label=annotation["label"], start_seconds=float(annotation["segment"][0]), end_seconds=float(annotation["segment"][1])
        )
        for annotation in entry["annotations"]
    )
    return AnnotatedVideo(identity=identity, subset=entry["subset"], duration_seconds=float(entry["duration"]), segments=segments)


def _database_path(folder: Path, *, database: str | Path | None) -> Path:
    given = [] if database is None else [Path(database).expanduser()]
    candidates = given or [folder / place / name for place in LIST_FOLDERS for name in DATABASE_NAMES]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise InputError(
            expected=f"ActivityNet's database '{candidates[0]}'",
            got="no such file",
            remedy="Set data.database=FILE, or put it into data.root=DIR.",
        )
    return found
