"""Untrimmed videos with annotated segments, for localization."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from vclr_pl.datasets.activitynet import SUBSETS, TRAINING, AnnotatedVideo, AnnotationFile, read_annotations, wrong
from vclr_pl.datasets.video_scan import VideoIndex, data_folder, few
from vclr_pl.remote.location import is_url
from vclr_pl.types import InputError
from vclr_pl.video.container import video_seconds

ROOT = "untrimmed.root"
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LocalizationSet:
    """Annotated videos in the order of the file. `frames` are the videos' lengths in frames, if the file has them."""

    videos: tuple[AnnotatedVideo, ...]
    class_names: tuple[str, ...]
    frames: Mapping[str, int]
    root: Path | None
    source: Path

    def subset(self, name: str) -> tuple[AnnotatedVideo, ...]:
        return tuple(video for video in self.videos if video.subset == name)

    def paths(self) -> dict[str, str]:
        """Video files by identity: `<identity>` or `v_<identity>` with any video's suffix, at any depth below `root`.

        Raises InputError without a `root`, if no video is below it, or if a video has several files.
        """
        return self._paths

    @cached_property
    def _paths(self) -> dict[str, str]:
        if self.root is None:
            raise InputError(expected="the folder of the videos", got=f"{ROOT}=null", hint=f"Set {ROOT}=DIR, or snippets=DIR.")
        files = found_videos([video.identity for video in self.videos], root=self.root, source=self.source)
        if not files:
            raise InputError(
                expected=f"videos named <identity> or v_<identity> below '{self.root}', for the identities in '{self.source.name}'",
                got=f"none, for instance no '{self.videos[0].identity}.mp4'",
                hint=f"Set {ROOT}=DIR and untrimmed.annotations=FILE to the videos and their annotations.",
            )
        return files

    def digest(self) -> str:
        """Digest of the annotations, 16 hexadecimal digits."""
        return hashlib.sha256(repr((self.videos, self.class_names, sorted(self.frames.items()))).encode()).hexdigest()[:16]


def localization_set(*, annotations: str, root: str | None) -> LocalizationSet:
    """Read and check a file of annotations.

    Args:
        annotations: as in `read_annotations`. With `taxonomy` (ActivityNet's list of nodes with `nodeName`) a label must be one of its
            leaves, else a label of a training video.
        root: folder of the videos, also used for durations missing in the file; None if features are given.

    Raises:
        InputError: as in `read_annotations`; an unknown label; no duration and no `root`.
    """
    path = Path(annotations).expanduser()
    if root is not None and is_url(root):
        raise InputError(expected=f"{ROOT} on a local disk", got="the URL of a server", hint=f"Copy the videos, and set {ROOT}=DIR.")
    folder = None if root is None else Path(root).expanduser().absolute()

    @cache
    def index() -> VideoIndex:
        assert folder is not None
        return VideoIndex(data_folder(folder, key=ROOT), key=ROOT)

    def seconds_of(identity: str) -> float | None:
        if folder is None:
            raise wrong(identity, "duration", f"seconds above 0, or {ROOT}=DIR to read them from the video", None)
        file = index().find(identity, f"v_{identity}")
        return None if file is None else video_seconds(folder / file)

    file = read_annotations(path, option="untrimmed.annotations", seconds_of=seconds_of)
    class_names = _class_names(file)
    for video in file.videos:
        _check_labels(video, known=class_names)
    parts = [(name, [video for video in file.videos if video.subset == name]) for name in SUBSETS]
    counts = "; ".join(f"{name}: {len(part)} videos, {sum(len(video.segments) for video in part)} segments" for name, part in parts if part)
    log.info("annotations in %s: %s; %d classes (%s)", path, counts, len(class_names), few(class_names))
    return LocalizationSet(videos=file.videos, class_names=class_names, frames=file.frames, root=folder, source=path)


def found_videos(identities: Iterable[str], *, root: Path, source: Path) -> dict[str, str]:
    """Files below `root` by identity. The log counts the files without an identity."""
    index, wanted = VideoIndex(data_folder(root, key=ROOT), key=ROOT), dict.fromkeys(identities)
    files = {}
    for identity in wanted:
        stems = [identity] if f"v_{identity}" in wanted else [identity, f"v_{identity}"]
        if (path := index.find(*stems)) is not None:
            files[identity] = str(root / path)
    index.refuse_clashes()
    if files:
        index.tell_unlisted(source.name)
    return files


def _class_names(file: AnnotationFile) -> tuple[str, ...]:
    nodes = file.taxonomy
    if isinstance(nodes, list) and nodes:
        names = {str(node.get("nodeName")) for node in nodes if isinstance(node, dict)}
        inner = {str(node.get("parentName")) for node in nodes if isinstance(node, dict)}
        return tuple(sorted(names - inner))
    training = {label for video in file.videos if video.subset == TRAINING for label in video.labels}
    return tuple(sorted(training or {label for video in file.videos for label in video.labels}))


def _check_labels(video: AnnotatedVideo, *, known: tuple[str, ...]) -> None:
    for number, label in enumerate(video.labels):
        if label not in known:
            raise wrong(video.identity, f"annotations[{number}].label", f"one of the {len(known)} known labels ({few(known)})", label)
