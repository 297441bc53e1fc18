"""Videos with labels for fine-tuning: the dataset and the DataModule.

Legend: S segments, C channels, T frames of a clip, H W pixels, P color parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from vclr_pl.data.datamodule import ColorOperation, LoaderOptions, TrainingBatch, VideoDataModule
from vclr_pl.data.samples import Crop, FrameSource, NoReadableVideo
from vclr_pl.data.sampling import RecognitionSampling
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.video_dataset import ColorDraw, SampleDraws, TrainingVideoDataset
from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.types import BrokenVideo, InputError, LabeledViews
from vclr_pl.video.protocol import VideoDecoder


@dataclass(frozen=True)
class LabeledSample:
    """One video of a LabeledViews batch: views `[S, *view]` uint8, color_parameters `[S, P]` float32."""

    views: Tensor
    color_parameters: Tensor
    label: int
    video_index: int
    broken: tuple[BrokenVideo, ...] = ()


class RecognitionDataset(TrainingVideoDataset[LabeledSample]):
    """Samples for recognition. All frames of a video have the same crop and flip (TSN, Wang et al. 2016, section 3.3)."""

    def __init__(
        self,
        *,
        manifest: Manifest,
        decoder: VideoDecoder,
        sampling: RecognitionSampling,
        transform: Crop,
        color_augmentation: ColorDraw,
        seed: int,
    ) -> None:
        super().__init__(manifest=manifest, decoder=decoder, seed=seed)
        self.sampling, self.transform, self.color_augmentation = sampling, transform, color_augmentation

    def sample(self, reader: FrameSource, *, draws: SampleDraws, video: int) -> LabeledSample:
        clips = self.sampling.draw(frame_count=reader.frame_count, generator=draws.moments)
        wanted, place_of = np.unique(clips, return_inverse=True)
        frames_CTHW = self.transform.crop(reader.frames(wanted.tolist()).transpose(0, 1), draws.crops)
        places = torch.from_numpy(place_of.reshape(clips.shape))
        views = frames_CTHW.transpose(0, 1)[places[:, 0]] if clips.shape[1] == 1 else frames_CTHW[:, places].transpose(0, 1)
        return LabeledSample(
            views=views.contiguous(),
            color_parameters=torch.as_tensor(self.color_augmentation.draw(len(views), draws.colors)),
            label=self.manifest.label(video),
            video_index=video,
        )


def collate_labeled_views(samples: list[LabeledSample | NoReadableVideo]) -> LabeledViews | NoReadableVideo:
    """Collate samples in order. Returns NoReadableVideo if any sample is a NoReadableVideo."""
    broken = tuple(video for sample in samples for video in sample.broken)
    readable = [sample for sample in samples if isinstance(sample, LabeledSample)]
    if len(readable) < len(samples):
        return NoReadableVideo(broken)
    return LabeledViews(
        views=default_collate([sample.views for sample in readable]),  # in a worker it stacks directly into shared memory
        color_parameters=torch.stack([sample.color_parameters for sample in readable]),
        label=torch.tensor([sample.label for sample in readable]),
        video_index=torch.tensor([sample.video_index for sample in readable]),
        broken=broken,
    )


class RecognitionDataModule(VideoDataModule):
    """LightningDataModule for recognition: batches of LabeledViews; whole videos for the test as in `VideoDataModule`.

    Args:
        splits, loader, seed: as in `VideoDataModule`.
        sampling: samples one frame or clip of each segment.
        evaluation_view: frames and crops of the test, a `RecognitionView`.

    Raises:
        InputError: a video without a label, fewer than two classes, a test video whose class has no training video, or a class with
            different numbers in training and test.
    """

    def __init__(
        self,
        *,
        splits: VideoSplits | object,
        sampling: RecognitionSampling,
        decoding: VideoDecoder,
        transform: Crop,
        color_augmentation: ColorOperation,
        evaluation_view: EvaluationView,
        loader: LoaderOptions,
        seed: int,
    ) -> None:
        super().__init__(
            splits=splits,
            sampling=sampling,
            decoding=decoding,
            transform=transform,
            color_augmentation=color_augmentation,
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
        """Class names by label; numbers if the data has no names."""
        return self._class_names

    @property
    def views_per_video(self) -> int:
        return self.segments

    def training_dataset(self) -> Dataset[Any]:
        return RecognitionDataset(
            manifest=self._splits.train,
            decoder=self.decoding,
            sampling=self.sampling,
            transform=self.transform,
            color_augmentation=self.color_augmentation,
            seed=self.seed,
        )

    def collate(self, samples: list[Any]) -> TrainingBatch | NoReadableVideo:
        return collate_labeled_views(samples)


def _refuse_unlabeled(manifest: Manifest, *, role: str) -> None:
    if not manifest.labeled:
        unlabeled = int((manifest.labels < 0).sum())
        raise InputError(
            expected=f"a label for every {role} video",
            got=f"{unlabeled} of {len(manifest)} without a label, in {manifest.root or 'the list'}",
            hint="Put the videos into one folder per class, or use lists with labels: data=video_list data.train=FILE data.test=FILE.",
        )


def _refuse_strange_classes(train: Manifest, test: Manifest | None, *, class_names: tuple[str, ...]) -> None:
    """Check the classes of the test by name, because two lists with class names may number them differently."""
    if len(class_names) < 2:
        raise InputError(expected="videos of at least two classes", got=str(len(class_names)), hint="Use data with more classes.")
    if int(train.labels.max()) >= len(class_names):
        got = f"{train.labels.max()} for {len(class_names)} class names"
        raise InputError(expected="a name for every label", got=got, hint="Correct the labels or the class names of the list.")
    if test is None:
        return
    of_test = _name_of(test, class_names=test.class_names if train.class_names and test.class_names else class_names)
    of_train = _name_of(train, class_names=class_names)
    strange = sorted(set(of_test.values()).difference(of_train.values()))
    if strange:
        raise InputError(
            expected=f"test videos of the {len(of_train)} classes that have a training video",
            got=f"{len(strange)} other(s): {', '.join(strange[:3])}",
            hint="Remove these videos from the test list, or add training videos of their class.",
        )
    number_of = {name: number for number, name in of_train.items()}
    moved = [name for number, name in of_test.items() if number_of[name] != number]
    if moved:
        raise InputError(
            expected="the same number for a class in both lists",
            got=f"{number_of[moved[0]]} and {next(number for number, name in of_test.items() if name == moved[0])} for {moved[0]}",
            hint="Use the same class_names in Manifest.from_pairs(..., class_names=CLASS_NAMES) for both lists.",
        )


def _name_of(manifest: Manifest, *, class_names: tuple[str, ...]) -> dict[int, str]:
    """Names of the labels in the list. A label without a name is named by its number."""
    labels = np.unique(manifest.labels).tolist()
    return {label: class_names[label] if label < len(class_names) else str(label) for label in labels}
