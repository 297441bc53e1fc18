"""The data of recognition, for Lightning: as pretraining's, with another sample, and with labels that have to be there."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.utils.data import Dataset

from vclr_pl.data.datamodule import LoaderOptions, Photometry, TrainingBatch, VideoDataModule
from vclr_pl.data.decoding.protocol import VideoDecoder
from vclr_pl.data.manifest import Manifest, VideoSplits
from vclr_pl.data.recognition_dataset import LabeledVideoFrames, collate_labeled_views
from vclr_pl.data.recognition_sampling import RecognitionSampling
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.view_assembly import Geometry, NoReadableVideo
from vclr_pl.types import InputError


class RecognitionDataModule(VideoDataModule):
    """Batches of LabeledViews; whole videos for the test as in `VideoDataModule`.

    Args:
        splits, loader, seed: as of `VideoDataModule`.
        sampling: one moment of each segment.
        evaluation_view: what the test sees, a `RecognitionView`.

    Raises:
        InputError: a video without a label, fewer than two classes, a test video of a class without a training video, or a class with
            one number in training and another in the test.
    """

    def __init__(
        self,
        *,
        splits: VideoSplits | object,
        sampling: RecognitionSampling,
        decoding: VideoDecoder,
        transform: Geometry,
        photometric: Photometry,
        evaluation_view: EvaluationView,
        loader: LoaderOptions,
        seed: int,
    ) -> None:
        super().__init__(
            splits=splits,
            sampling=sampling,
            decoding=decoding,
            transform=transform,
            photometric=photometric,
            evaluation_view=evaluation_view,
            loader=loader,
            seed=seed,
        )
        train, test = self._splits.train, self._splits.test
        for role, manifest in (("training", train), ("test", test)):
            if manifest is not None:
                _refuse_unlabeled(manifest, role=role)
        named = train.class_names or (() if test is None else test.class_names)
        self._class_names = named or tuple(map(str, range(int(train.labels.max()) + 1)))
        _refuse_strange_classes(train, test, class_names=self._class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """By label; numbers where the data has no names."""
        return self._class_names

    def training_dataset(self) -> Dataset[Any]:
        return LabeledVideoFrames(
            manifest=self._splits.train,
            decoder=self.decoding,
            sampling=self.sampling,
            transform=self.transform,
            photometric=self.photometric,
            seed=self.seed,
        )

    def collate(self, samples: list[Any]) -> TrainingBatch | NoReadableVideo:
        return collate_labeled_views(samples)


def _refuse_unlabeled(manifest: Manifest, *, role: str) -> None:
    if not manifest.labeled:
        unlabeled = int((manifest.labels < 0).sum())
        raise InputError(
            expected=f"a label for every {role} video",
            got=f"{unlabeled} of {len(manifest)} without one, under {manifest.root or 'the list'}",
            remedy="Put the videos in a folder a class, or give a list with labels: data=video_list data.train=FILE data.test=FILE.",
        )


def _refuse_strange_classes(train: Manifest, test: Manifest | None, *, class_names: tuple[str, ...]) -> None:
    """Names are compared, not numbers alone: two lists of names are each numbered by themselves."""
    if len(class_names) < 2:
        raise InputError(expected="videos of at least two classes", got=str(len(class_names)), remedy="Give data with more classes.")
    if int(train.labels.max()) >= len(class_names):
        got = f"{train.labels.max()} for {len(class_names)} class names"
        raise InputError(expected="a name for every label", got=got, remedy="Correct the list's labels or its class names.")
    if test is None:
        return
    of_test = _name_of(test, class_names=test.class_names if train.class_names and test.class_names else class_names)
    of_train = _name_of(train, class_names=class_names)
    strange = sorted(set(of_test.values()).difference(of_train.values()))
    if strange:
        raise InputError(
            expected=f"test videos of the {len(of_train)} classes that have a training video",
            got=f"{len(strange)} other(s): {', '.join(strange[:3])}",
            remedy="Take these videos off the test list, or give training videos of their class.",
        )
    number_of = {name: number for number, name in of_train.items()}
    moved = [name for number, name in of_test.items() if number_of[name] != number]
    if moved:
        raise InputError(
            expected="the same number for a class in both lists",
            got=f"{number_of[moved[0]]} and {next(number for number, name in of_test.items() if name == moved[0])} for {moved[0]}",
            remedy="Number both alike: Manifest.from_pairs(..., class_names=CLASS_NAMES) for the test as for the training list.",
        )


def _name_of(manifest: Manifest, *, class_names: tuple[str, ...]) -> dict[int, str]:
    """Of each label that a video has; a label without a name bears its number."""
    labels = np.unique(manifest.labels).tolist()
    return {label: class_names[label] if label < len(class_names) else str(label) for label in labels}
