"""ActivityNet 1.3 as its authors ship it: untrimmed videos and one JSON database of annotated segments."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from pathlib import Path

from vclr_pl.data.decoding.duration import video_seconds
from vclr_pl.data.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.data.split.annotation_file import TRAINING, VALIDATION, AnnotatedVideo, read_annotations
from vclr_pl.data.split.video_index import VideoIndex
from vclr_pl.data.split.video_scan import data_folder, few, no_videos
from vclr_pl.types import InputError

DATABASE_NAMES = ("activity_net.v1-3.min.json", "activity_net.v1-3.json")
LIST_FOLDERS = ("", "annotations", "lists")
SUBSETS = {"train": TRAINING, "test": VALIDATION}
log = logging.getLogger(__name__)


def activitynet(*, root: str | Path, trim: bool, database: str | Path | None = None) -> VideoSplits:
    """Training and validation set; the validation set is `test`.

    Args:
        root: holds the videos, `v_<id>.mp4` (or .mkv, .webm; `v_` may be missing), however deep, and the database.
        trim: false for one whole video each, labeled with its first activity; true for one annotated segment each.
        database: `activity_net.v1-3.min.json`, where it stands elsewhere.

    Videos of the database that are not on disk are counted (`VideoSplits.absent`) and passed over: many are no longer available.

    Raises:
        InputError: a missing folder or database, no video of a subset on disk, or several files of one video.
    """
    folder = data_folder(root)
    path = _database_path(folder, database=database)
    index = VideoIndex(folder)

    def file_of(identity: str) -> Path | None:
        found = index.find(identity, f"v_{identity}")
        return None if found is None else folder / found

    def seconds_of(identity: str) -> float | None:
        if not trim:
            return math.inf  # whole videos, whose length nobody asks for
        file = file_of(identity)
        return None if file is None else video_seconds(file)

    annotations = read_annotations(path, option="data.database", seconds_of=seconds_of)
    videos = annotations.videos
    class_names = tuple(sorted({label for video in videos for label in video.labels}))
    absent, manifests = 0, {}
    for name, subset in SUBSETS.items():
        listed = [video for video in videos if video.subset == subset]
        present = [video for video in listed if file_of(video.identity) is not None]
        if not present:
            raise _none_listed(folder, path, subset) if index else no_videos(folder)
        absent += len(listed) - len(present)
        manifests[name] = _manifest(present, root=folder, file_of=file_of, trim=trim, class_names=class_names)
    index.refuse_clashes()
    index.tell_unlisted(path.name, known=[f"{prefix}{identity}" for identity in annotations.identities for prefix in ("", "v_")])
    if absent:
        log.warning("%s: %d videos are not below %s; the run goes on without them", path.name, absent, folder)
    return VideoSplits(train=manifests["train"], test=manifests["test"], absent=absent, published=True).told(root=folder)


def _none_listed(folder: Path, path: Path, subset: str) -> InputError:
    return InputError(
        expected=f"videos v_<id> of the subset '{subset}' of '{path}' below '{folder}'",
        got="none of them",
        remedy="Set data.root=DIR and data.database=FILE to what belongs together.",
    )


def _manifest(
    videos: list[AnnotatedVideo], *, root: Path, file_of: Callable[[str], Path | None], trim: bool, class_names: tuple[str, ...]
) -> Manifest:
    builder = ManifestBuilder(root=os.fspath(root))
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
        raise InputError(expected="annotated segments", got=f"none in {len(videos)} videos", remedy="Set data.trim=false for whole videos.")
    if trim and (without := [video.identity for video in videos if not video.segments]):
        log.warning("%d videos have no segment and are left out: %s", len(without), few(without))
    return builder.finish(class_names=class_names)


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
