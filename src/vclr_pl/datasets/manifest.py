"""The list of videos, packed: a million paths are a few numpy arrays, which forked workers share and never copy.

Legend: N videos.
"""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pytorchvideo.data.clip_sampling import ClipSampler
from pytorchvideo.data.labeled_video_dataset import LabeledVideoDataset
from pytorchvideo.data.labeled_video_paths import LabeledVideoPaths

from vclr_pl.types import InputError

NO_LABEL = -1
SHOWN = 5  # class names in a line of the log
log = logging.getLogger(__name__)


class Manifest(LabeledVideoPaths):  # type: ignore[misc]
    """Paths, labels and class names of N videos. A pytorchvideo `LabeledVideoPaths`: `manifest[i]` is `(path, {"label": int})`.

    A path is kept as the bytes of the file system, relative to `root` where it lies below it. About 70 bytes a video. Build one
    with `ManifestBuilder`, `Manifest.from_pairs` or `Manifest.from_source`.
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
    ) -> None:
        self.root, self.class_names = root, class_names
        self._text, self._ends, self._labels, self._spans = text, ends, labels, spans
        self._shared: dict[str, torch.Tensor] = {}

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, object]], *, root: str = "", class_names: tuple[str, ...] = ()) -> Manifest:
        """From `(path, label)`; a label is an integer, a class name, None, or pytorchvideo's `{"label": ...}`.

        Class names are numbered alphabetically.
        """
        builder = ManifestBuilder(root=root)
        for path, label in pairs:
            builder.add(path, label.get("label") if isinstance(label, Mapping) else label)
        return builder.finish(class_names=class_names)

    @classmethod
    def from_source(cls, source: object) -> Manifest:
        """From what a user of pytorchvideo holds: a `LabeledVideoDataset`, a `LabeledVideoPaths`, or a list of `(path, label)`.

        Of a dataset only the videos are taken: its clip sampler, sampler and transform give way to ours.
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

    def label(self, index: int) -> int:
        """The class number, -1 where there is none."""
        return int(self._labels[index])

    def span(self, index: int) -> tuple[float, float]:
        """Where in its file the video begins and ends, as fractions of the file's frames; (0, 1) for a whole file."""
        if self._spans is None:
            return 0.0, 1.0
        begin, end = self._spans[2 * index : 2 * index + 2]
        return float(begin), float(end)

    @property
    def files(self) -> int:
        """How many files the videos are in: several may be parts of one."""
        return len(self) if self._spans is None else len({self.path(index) for index in range(len(self))})

    @property
    def labels(self) -> npt.NDArray[np.signedinteger[Any]]:
        """`[N]`, -1 where there is none."""
        return self._labels

    @property
    def labeled(self) -> bool:
        """Whether every video has a label."""
        return bool(len(self)) and bool((self._labels != NO_LABEL).all())

    @property
    def in_words(self) -> str:
        """How many videos of how many classes."""
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
        """The same videos, labeled by the place of their label in `numbers`, which ascend; the numbers become the class names."""
        labels = np.where(self._labels == NO_LABEL, NO_LABEL, np.searchsorted(numbers, self._labels)).astype(np.int32)
        names = tuple(map(str, numbers.tolist()))
        return Manifest(root=self.root, text=self._text, ends=self._ends, labels=labels, spans=self._spans, class_names=names)

    def labeled_video_dataset(self, *, clip_sampler: ClipSampler) -> LabeledVideoDataset:
        """The same videos as a stock pytorchvideo dataset, video only."""
        return LabeledVideoDataset(self, clip_sampler, decode_audio=False)

    def __getstate__(self) -> dict[str, Any]:
        # As shared memory, moved there once, so that spawned workers are not handed a copy each. The tensors stay: a descriptor that is
        # closed while a worker's arguments are still being pickled would be given away again.
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

    def __init__(self, *, root: str) -> None:
        self._root = root
        self._prefix = os.path.join(root, "") if root else ""  # noqa: PTH118
        self._text, self._ends, self._labels, self._spans = bytearray(), array("q"), array("q"), array("d")
        self._class_numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, path: str | os.PathLike[str], label: object = None, *, span: tuple[float, float] | None = None) -> None:
        """`label`: an integer, a class name, or None. `span`: as of `Manifest.span`, given for all videos or for none."""
        text = os.fspath(path)
        self._text += os.fsencode(text.removeprefix(self._prefix) if self._prefix else text)
        self._ends.append(len(self._text))
        try:
            self._labels.append(self._number(label))
        except OverflowError:
            raise InputError(
                expected="class numbers of 64 bits", got=f"{label} for '{text}'", hint="Number the classes from 0, or give their names."
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
            text=np.frombuffer(self._text, np.uint8),  # the arrays keep the buffers, nothing is copied
            ends=np.frombuffer(self._ends, np.int64),
            labels=labels,
            spans=np.frombuffer(self._spans, np.float64) if self._spans else None,
            class_names=class_names,
        )


@dataclass(frozen=True, kw_only=True)
class VideoSplits:
    """What a data set's layout yields. `absent` counts the listed videos that are not on disk, where a layout tolerates them.
    `published` is true of a benchmark, whose published evaluation crops frames of the stored size."""

    train: Manifest
    test: Manifest | None = None
    absent: int = 0
    published: bool = False

    def told(self, *, root: str | os.PathLike[str], folders: Sequence[str] = ()) -> VideoSplits:
        """Log one line: what was understood of the set at `root`, whose splits are `folders` where these are given."""
        parts = {"train": self.train} if self.test is None else {"train": self.train, "test": self.test}
        names = [f"{name} ({folder})" for name, folder in zip(parts, folders, strict=True)] if folders else list(parts)
        words = [f"{name}: {manifest.in_words}" for name, manifest in zip(names, parts.values(), strict=True)]
        log.info("data in %s: %s", os.fspath(root), "; ".join(words))
        if self.test is not None and (both := self._in_both()):
            log.warning("%d videos are in both lists, so the test result is too good: %s", len(both), ", ".join(both[:SHOWN]))
        return self

    def _in_both(self) -> list[str]:
        """Paths of the test videos that are in the training list too; parts of one file are different videos."""
        assert self.test is not None
        known = {hash((self.train.path(index), self.train.span(index))) for index in range(len(self.train))}
        found = ((self.test.path(index), self.test.span(index)) for index in range(len(self.test)))
        return [path for path, span in found if hash((path, span)) in known]

    def with_numbered_classes(self) -> VideoSplits:
        """Classes numbered from 0 without gaps over both lists. Where numbers have gaps and no names, the numbers become the names."""
        manifests = [self.train] if self.test is None else [self.train, self.test]
        if any(manifest.class_names for manifest in manifests):
            return self
        found = np.unique(np.concatenate([manifest.labels for manifest in manifests]))
        numbers = found[found != NO_LABEL]
        if np.array_equal(numbers, np.arange(len(numbers))):
            return self
        train, *test = (manifest.with_numbers_as_names(numbers) for manifest in manifests)
        return replace(self, train=train, test=test[0] if test else None)
