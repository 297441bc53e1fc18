"""A compact list of videos: a million paths in a few numpy arrays, which forked workers share without copying.

Legend: N videos.
"""

from __future__ import annotations

import logging
import math
import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pytorchvideo.data.clip_sampling import ClipSampler
from pytorchvideo.data.labeled_video_dataset import LabeledVideoDataset
from pytorchvideo.data.labeled_video_paths import LabeledVideoPaths

from vclr_pl.datasets.video_file import RemoteDecoder, local_file
from vclr_pl.files import file_stamp
from vclr_pl.remote.folder import RemoteFolder
from vclr_pl.remote.path import Folder, RemotePath
from vclr_pl.types import InputError
from vclr_pl.video.protocol import VideoDecoder

NO_LABEL = -1
SHOWN = 5  # class names per log line
log = logging.getLogger(__name__)


class Manifest(LabeledVideoPaths):  # type: ignore[misc]
    """Paths, labels and class names of N videos. A pytorchvideo `LabeledVideoPaths`: `manifest[i]` is `(path, {"label": int})`.

    Paths are stored as the bytes of the file system, relative to `root` if below it. About 70 bytes per video. Create one
    with `ManifestBuilder`, `Manifest.from_pairs` or `Manifest.from_source`. The paths of videos on a server, `remote`, are URLs.
    """

    def __init__(
        self,
        *,
        root: str,
        text: npt.NDArray[np.uint8],
        ends: npt.NDArray[np.int64],
        labels: npt.NDArray[np.signedinteger[Any]],
        spans: npt.NDArray[np.float64] | None,
        class_names: tuple[str, ...],
        remote: RemoteFolder | None = None,
    ) -> None:
        self.root, self.class_names, self.remote = root, class_names, remote
        self._text, self._ends, self._labels, self._spans = text, ends, labels, spans
        self._shared: dict[str, torch.Tensor] = {}

    @classmethod
    def from_pairs(
        cls, pairs: Iterable[tuple[str, object]], *, root: str = "", class_names: tuple[str, ...] = (), remote: RemoteFolder | None = None
    ) -> Manifest:
        """Create a manifest from `(path, label)`; a label is an integer, a class name, None, or pytorchvideo's `{"label": ...}`.

        Class names are numbered alphabetically.
        """
        builder = ManifestBuilder(root=root, remote=remote)
        for path, label in pairs:
            builder.add(path, label.get("label") if isinstance(label, Mapping) else label)
        return builder.finish(class_names=class_names)

    @classmethod
    def from_source(cls, source: object) -> Manifest:
        """Create a manifest from pytorchvideo's `LabeledVideoDataset` or `LabeledVideoPaths`, or a list of `(path, label)`.

        Only the videos of a dataset are used, not its clip sampler, sampler and transform.
        """
        if isinstance(source, LabeledVideoDataset):
            source = source._labeled_videos  # pytorchvideo has no public name for it
        if isinstance(source, Manifest):
            return source
        if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
            raise InputError(
                expected="a Manifest, a pytorchvideo LabeledVideoDataset or LabeledVideoPaths, or a list of (path, label)",
                got=f"a {type(source).__name__}",
                hint="Pass one of these as `splits`, or as its `train` and `test`.",
            )
        return cls.from_pairs(source[index] for index in range(len(source)))

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[str, dict[str, int]]:
        return self.path(index), {"label": self.label(index)}

    def path(self, index: int) -> str:
        start = int(self._ends[index - 1]) if index else 0
        return os.path.join(self.root, os.fsdecode(self._text[start : int(self._ends[index])].tobytes()))  # noqa: PTH118 (a Path costs ten times as much)

    def local_file(self, index: int) -> AbstractContextManager[str]:
        """The path of the file on this machine, where it stays while the block runs. Raises VideoReadError if a server does not give it."""
        return local_file(self.path(index), remote=self.remote)

    def stamp(self, index: int) -> tuple[int, int] | None:
        """As `files.file_stamp`, also of a file on a server, as it was listed."""
        path = self.path(index)
        entry = None if self.remote is None else self.remote.entry(path)
        return file_stamp(path) if entry is None else entry.stamp

    def decoder(self, decoder: VideoDecoder) -> VideoDecoder:
        """`decoder`, which opens paths of this list, those on a server included."""
        return decoder if self.remote is None else RemoteDecoder(decoder, remote=self.remote)

    def label(self, index: int) -> int:
        """The class number, -1 if there is none."""
        return int(self._labels[index])

    def span(self, index: int) -> tuple[float, float]:
        """Start and end of the video in its file, as fractions of the file's frames; (0, 1) for a whole file."""
        if self._spans is None:
            return 0.0, 1.0
        begin, end = self._spans[2 * index : 2 * index + 2]
        return float(begin), float(end)

    def frames(self, index: int, *, frame_count: int) -> tuple[int, int]:
        """First frame and end (exclusive) of the video in its file of `frame_count` frames; partly covered frames count, at least one."""
        first, end = (round(fraction * frame_count, 6) for fraction in self.span(index))  # 0.8 of 30 ends at 24 despite rounding errors
        first, end = min(int(first), frame_count - 1), min(math.ceil(end), frame_count)
        return first, max(end, first + 1)

    @property
    def files(self) -> int:
        """Number of files. Several videos may be parts of one file."""
        return len(self) if self._spans is None else len({self.path(index) for index in range(len(self))})

    @property
    def labels(self) -> npt.NDArray[np.signedinteger[Any]]:
        """Class numbers `[N]`, -1 for none."""
        return self._labels

    @property
    def labeled(self) -> bool:
        """True if every video has a label."""
        return bool(len(self)) and bool((self._labels != NO_LABEL).all())

    @property
    def in_words(self) -> str:
        """Number of videos and classes, in words."""
        labels = np.unique(self._labels[self._labels != NO_LABEL])
        unlabeled = int((self._labels == NO_LABEL).sum())
        names = [self.class_names[label] if 0 <= label < len(self.class_names) else str(label) for label in labels[: SHOWN + 1].tolist()]
        shown = f"{', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}"
        missing = f", {unlabeled} of them without a label" if unlabeled else ""
        return f"{len(self)} videos of {len(labels)} classes ({shown}){missing}" if len(labels) else f"{len(self)} videos without labels"

    @property
    def size_bytes(self) -> int:
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    def with_numbers_as_names(self, numbers: npt.NDArray[np.signedinteger[Any]]) -> Manifest:
        """The same videos, labeled by the index of their label in the ascending `numbers`, which become the class names."""
        labels = np.where(self._labels == NO_LABEL, NO_LABEL, np.searchsorted(numbers, self._labels)).astype(np.int32)
        names = tuple(map(str, numbers.tolist()))
        return Manifest(
            root=self.root, text=self._text, ends=self._ends, labels=labels, spans=self._spans, class_names=names, remote=self.remote
        )

    def labeled_video_dataset(self, *, clip_sampler: ClipSampler) -> LabeledVideoDataset:
        """The same videos as a pytorchvideo dataset, without audio."""
        return LabeledVideoDataset(self, clip_sampler, decode_audio=False)

    def __getstate__(self) -> dict[str, Any]:
        # Moved once into shared memory, so that spawned workers get no copies. The tensors are kept: a descriptor that is
        # closed while a worker's arguments are still being pickled could be reused.
        if not self._shared:
            self._shared = {
                name: torch.from_numpy(value).share_memory_() for name, value in vars(self).items() if isinstance(value, np.ndarray)
            }
            self.__dict__.update({name: tensor.numpy() for name, tensor in self._shared.items()})
        return {name: value for name, value in vars(self).items() if name not in self._shared}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.update({name: tensor.numpy() for name, tensor in self._shared.items()})


class ManifestBuilder:
    """Collect videos into packed bytes, without a list of a million Python strings."""

    def __init__(self, *, root: str | Folder, remote: RemoteFolder | None = None) -> None:
        self._remote = root.remote if isinstance(root, RemotePath) else remote
        self._root = root = os.fspath(root)
        self._prefix = os.path.join(root, "") if root else ""  # noqa: PTH118
        self._text, self._ends, self._labels, self._spans = bytearray(), array("q"), array("q"), array("d")
        self._class_numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, path: str | os.PathLike[str], label: object = None, *, span: tuple[float, float] | None = None) -> None:
        """Add a video. `label`: an integer, a class name, or None. `span`: as in `Manifest.span`, for all videos or for none."""
        text = os.fspath(path)
        self._text += os.fsencode(text.removeprefix(self._prefix) if self._prefix else text)
        self._ends.append(len(self._text))
        try:
            self._labels.append(self._number(label))
        except OverflowError:
            raise InputError(
                expected="64-bit class numbers", got=f"{label} for '{text}'", hint="Number the classes from 0, or use their names."
            ) from None
        if span is not None:
            self._spans.extend(span)

    def _number(self, label: object) -> int:
        if label is None or label == "":
            return NO_LABEL
        if isinstance(label, str):
            return self._class_numbers.setdefault(label, len(self._class_numbers))
        return int(label)  # type: ignore[call-overload,no-any-return]

    def finish(self, *, class_names: tuple[str, ...] = ()) -> Manifest:
        """`class_names` fixes the numbers of class names; without it they are numbered alphabetically."""
        labels: npt.NDArray[np.signedinteger[Any]] = np.frombuffer(self._labels, np.int64)
        if not len(labels) or max(labels.max(), -labels.min()) <= np.iinfo(np.int32).max:
            labels = labels.astype(np.int32)
        if self._class_numbers:
            class_names = class_names or tuple(sorted(self._class_numbers))
            number_of = {name: number for number, name in enumerate(class_names)}
            final = np.asarray([number_of[name] for name in self._class_numbers], np.int32)
            known = labels != NO_LABEL
            labels[known] = final[labels[known]]
        return Manifest(
            root=self._root,
            text=np.frombuffer(self._text, np.uint8),  # the arrays share the buffers without copying
            ends=np.frombuffer(self._ends, np.int64),
            labels=labels,
            spans=np.frombuffer(self._spans, np.float64) if self._spans else None,
            class_names=class_names,
            remote=self._remote,
        )


@dataclass(frozen=True, kw_only=True)
class VideoSplits:
    """The splits of a data set. `absent` is the number of listed videos that are not on disk, if the layout allows that.
    `published` is true for benchmarks whose published evaluation crops frames of the stored size."""

    train: Manifest
    test: Manifest | None = None
    absent: int = 0
    published: bool = False

    def told(self, *, root: str | os.PathLike[str], folders: Sequence[str] = ()) -> VideoSplits:
        """Log videos and classes of the set at `root` in one line; `folders` are the folders of the splits, if any."""
        parts = {"train": self.train} if self.test is None else {"train": self.train, "test": self.test}
        names = [f"{name} ({folder})" for name, folder in zip(parts, folders, strict=True)] if folders else list(parts)
        words = [f"{name}: {manifest.in_words}" for name, manifest in zip(names, parts.values(), strict=True)]
        log.info("data in %s: %s", os.fspath(root), "; ".join(words))
        if self.test is not None and (both := self._in_both()):
            log.warning("%d videos are in both lists, so the test result is too good: %s", len(both), ", ".join(both[:SHOWN]))
        return self

    def _in_both(self) -> list[str]:
        """Paths of test videos that are also in the training list. Different parts of a file are different videos."""
        assert self.test is not None
        known = {hash((self.train.path(index), self.train.span(index))) for index in range(len(self.train))}
        parts = ((self.test.path(index), self.test.span(index)) for index in range(len(self.test)))
        return [path for path, span in parts if hash((path, span)) in known]

    def with_numbered_classes(self) -> VideoSplits:
        """Number classes from 0 without gaps over both lists. Numbers with gaps and without names become the names."""
        manifests = [self.train] if self.test is None else [self.train, self.test]
        if any(manifest.class_names for manifest in manifests):
            return self
        labels = np.unique(np.concatenate([manifest.labels for manifest in manifests]))
        numbers = labels[labels != NO_LABEL]
        if np.array_equal(numbers, np.arange(len(numbers))):
            return self
        train, *test = (manifest.with_numbers_as_names(numbers) for manifest in manifests)
        return replace(self, train=train, test=test[0] if test else None)
