"""Videos with labels for fine-tuning: the dataset and the DataModule.

Legend: S segments, C channels, T frames of a clip, H W pixels, P color parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from vclr_pl.data.broken_videos import WatchedLoader
from vclr_pl.data.datamodule import LoaderOptions, TrainingBatch, VideoDataModule
from vclr_pl.data.loader import ResumableLoader
from vclr_pl.data.part_reading import subclip
from vclr_pl.data.samples import Crop, FrameSource, NoReadableVideo
from vclr_pl.data.sampling import RecognitionSampling
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.video_dataset import DECODE_ERRORS, ColorDraw, ColorOperation, SampleDraws, TrainingVideoDataset
from vclr_pl.data.view_features import View, ViewFeatureDataset, collate_view_features, views_of
from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.types import BrokenVideo, InputError, LabeledFeatures, LabeledViews
from vclr_pl.video.protocol import VideoDecoder

FRAMES_AT_A_TIME = 32  # of one video, in memory at the size of the file


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


class _HeldFrames:
    """Some frames of an open video, read once."""

    def __init__(self, reader: FrameSource, indices: Sequence[int]) -> None:
        self.frame_count = reader.frame_count
        self._place = {index: place for place, index in enumerate(indices)}
        self._frames = reader.frames(indices)

    def frames(self, indices: Sequence[int]) -> Tensor:
        return self._frames[[self._place[index] for index in indices]]


class ViewDataset(Dataset[list[LabeledSample | NoReadableVideo]]):
    """By video, the samples of the epochs 0 to `views` - 1. A readable video is opened once, for all of them."""

    def __init__(self, samples: RecognitionDataset, *, views: int) -> None:
        self.samples, self.views = samples, views

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, video: int) -> list[LabeledSample | NoReadableVideo]:
        samples = self.samples
        try:
            with samples.decoder.open(samples.manifest.path(video)) as file:
                reader = subclip(file, samples.manifest, video)
                return [sample for views in self._groups() for sample in self._read(reader, video=video, views=views)]
        except DECODE_ERRORS:
            return [samples[view, video] for view in range(self.views)]  # replaced as in training

    def _groups(self) -> Iterator[range]:
        size = max(1, FRAMES_AT_A_TIME // (self.samples.sampling.segments * self.samples.sampling.frames_per_clip))
        yield from (range(first, min(first + size, self.views)) for first in range(0, self.views, size))

    def _read(self, reader: FrameSource, *, video: int, views: range) -> list[LabeledSample]:
        draws = [self.samples.draws(epoch=view, video=video, attempt=0) for view in views]
        drawn = [self.samples.sampling.draw(frame_count=reader.frame_count, generator=draw.moments) for draw in draws]
        held = _HeldFrames(reader, np.unique(np.concatenate(drawn)).tolist())
        again = [self.samples.draws(epoch=view, video=video, attempt=0) for view in views]
        return [self.samples.sample(held, draws=draw, video=video) for draw in again]


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


def collate_views(videos: list[list[LabeledSample | NoReadableVideo]]) -> LabeledViews | NoReadableVideo:
    """Collate the samples of several videos in order."""
    return collate_labeled_views([sample for samples in videos for sample in samples])


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
        self._features: ViewFeatureDataset | None = None
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

    def training_dataset(self) -> RecognitionDataset:
        return RecognitionDataset(
            manifest=self._splits.train,
            decoder=self.decoding,
            sampling=self.sampling,
            transform=self.transform,
            color_augmentation=self.color_augmentation,
            seed=self.seed,
        )

    def view_loader(self, *, views: int) -> WatchedLoader:
        """`views` augmented views of each training video, batches of this rank: those of the epochs 0 to `views` - 1."""
        own, videos_per_batch = range(self._rank(), len(self._splits.train), self._ranks()), max(1, self.loader.batch_size // views)
        return WatchedLoader(
            ViewDataset(self.training_dataset(), views=views),
            sampler=own,
            batch_size=videos_per_batch,
            num_workers=self._worker_count(batches=math.ceil(len(own) / videos_per_batch)),
            pin_memory=self._on_cuda(),
            collate_fn=collate_views,
            generator=torch.Generator(),  # as in `evaluation_dataloader`
        )

    def account_for(self, broken: Sequence[BrokenVideo]) -> None:
        """Count videos of `view_loader` that were replaced."""
        self._account.observe(broken)

    def train_on(self, read: Sequence[LabeledFeatures], *, views: int) -> int:
        """Train on these features, those of `view_loader`, in place of videos (collective call). Returns their size in bytes."""
        self._account.agree()
        videos = len(self._splits.train)
        self._features = ViewFeatureDataset(read=read, keys=self._views(views), videos=videos, views=views)
        return self._features.size_bytes

    def train_dataloader(self) -> ResumableLoader:
        """Training batches of this rank: uint8 views, or features."""
        if self._features is None:
            return super().train_dataloader()
        return ResumableLoader(
            dataset=self._features,
            sampler=self._sampler(),
            workers=0,
            prefetch_batches=self.loader.prefetch_batches,
            on_gpu=self._on_cuda(),
            collate=collate_view_features,
        )

    def _views(self, views: int) -> list[View]:
        return views_of(videos=len(self._splits.train), views=views, rank=self._rank(), ranks=self._ranks())

    @staticmethod
    def collate(samples: list[Any]) -> TrainingBatch | NoReadableVideo:
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
