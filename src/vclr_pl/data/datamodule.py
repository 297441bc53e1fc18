"""LightningDataModule of a run: batches of the task, color augmentation on the device, and whole videos for evaluation.

Legend: B videos, V views, C channels, T frames, H W pixels.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol, cast

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vclr_pl.data.broken_videos import BrokenVideoTracker, WatchedLoader
from vclr_pl.data.cores import cores_of_rank
from vclr_pl.data.list_agreement import refuse_other_lists
from vclr_pl.data.loader import EpochSampler, ResumableLoader
from vclr_pl.data.loader_options import LoaderOptions as LoaderOptions  # its place in configs
from vclr_pl.data.machine_limits import require_room
from vclr_pl.data.made_copies import STRONG_CHANGES, CopyDecoder, copies_of
from vclr_pl.data.samples import Crop, NoReadableVideo, collate_segment_views, collate_video_frames
from vclr_pl.data.transform.color_augmentation import ColorAugmentation
from vclr_pl.data.transform.compilation import batches_of_run
from vclr_pl.data.transform.evaluation_view import EvaluationView, NarrowViewWarning
from vclr_pl.data.transform.resolution import ProgressiveResolution
from vclr_pl.data.video_dataset import ColorOperation, EvaluationVideoDataset, SegmentVideoDataset
from vclr_pl.datasets.footage import Footage, footage_of
from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.files import available_cores
from vclr_pl.op.collective import from_first, rank, world_size
from vclr_pl.types import BrokenVideo, InputError, KeyViews, LabeledViews, Normalization, SegmentViews, VideoFrames
from vclr_pl.video.protocol import VideoDecoder

logger = logging.getLogger(__name__)

SplitName = Literal["train", "test"]
TrainingBatch = SegmentViews | LabeledViews
STEPS_BETWEEN_AGREEMENTS = 64  # synchronizing the ranks at every step would slow training


class Sampling(Protocol):
    """Number of segments of a video, and frames per segment."""

    segments: int
    frames_per_clip: int
    frame_stride: int


class VideoDataModule(lightning.LightningDataModule):
    """Combine videos, sampling, decoding and transforms for pretraining. A subclass defines the sample of another task.

    Args:
        splits: VideoSplits, or pytorchvideo's LabeledVideoDataset or LabeledVideoPaths, or a list of (path, label).
        seed: determines the order of videos and every sample.
    """

    def __init__(
        self,
        *,
        splits: VideoSplits | object,
        sampling: Sampling,
        decoding: VideoDecoder,
        transform: Crop,
        color_augmentation: ColorOperation,
        evaluation_view: EvaluationView,
        loader: LoaderOptions,
        seed: int,
    ) -> None:
        super().__init__()
        given = splits if isinstance(splits, VideoSplits) else VideoSplits(train=Manifest.from_source(splits))
        self._splits = given.with_numbered_classes()
        self.sampling: Any = sampling  # the format of its draws is known only to it and the task's samples
        self.decoding, self.transform, self.color_augmentation = decoding, transform, color_augmentation
        self.evaluation_view, self.loader, self.seed = evaluation_view, loader, seed
        self._account = BrokenVideoTracker(videos=self._splits.train.files, max_broken_fraction=loader.max_broken_fraction)
        self._narrow = NarrowViewWarning(view=evaluation_view, option="evaluation_view")
        self._steps = 0
        self._cores: int | None = None  # of this rank, known after setup
        self.resolution: ProgressiveResolution | None = None  # of the views of pretraining, in each epoch
        self._training: ResumableLoader | None = None
        self.receive_keys: Callable[[SegmentViews], tuple[KeyViews, ...]] | None = None  # set by the module

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Before the first batch (collective call): cores of each rank, the same list on all, room for the workers' batches."""
        self._cores = cores_of_rank(ranks=self._ranks())
        refuse_other_lists(self._splits.train, name="training videos")
        from_first(lambda: None)  # processes that cannot reach one another are found here, not at the first evaluation
        if isinstance(self.color_augmentation, ColorAugmentation) and self.trainer is not None and (shape := self.view_shape):
            batches = batches_of_run(self.trainer, per_epoch=self.batches_per_epoch)
            pixels = batches * self.batch_size * self.views_per_video * math.prod(shape[1:])
            self.color_augmentation.expect(pixels=pixels, device_type=self.trainer.strategy.root_device.type)
        processes = self.trainer.num_devices if self.trainer else 1
        require_room(batches_bytes=self.batches_bytes, workers=self.workers, prefetch=self.loader.prefetch_batches, processes=processes)

    @property
    def labeled(self) -> bool:
        """True if every split has labels for the evaluation."""
        return self._splits.train.labeled and (self._splits.test is None or self._splits.test.labeled)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._splits.train.class_names

    @property
    def has_test(self) -> bool:
        return self._splits.test is not None

    @property
    def batch_size(self) -> int:
        """Videos per step on each device."""
        return self.loader.batch_size

    @property
    def segments(self) -> int:
        return int(self.sampling.segments)

    @property
    def views_per_video(self) -> int:
        """Views of a video in a batch."""
        return 2 * self.segments + 1

    @property
    def workers(self) -> int:
        """Reading processes of this rank in training, which share the videos of a batch."""
        return self._worker_count(batches=self.batches_per_epoch * self.batch_size)

    @property
    def view_shape(self) -> tuple[int, ...] | None:
        """`C, H, W` of a view, or `C, T, H, W`; None for a crop that does not declare `size_pixels`."""
        side: int | None = getattr(self.transform, "size_pixels", None)
        frames = int(self.sampling.frames_per_clip)
        return None if side is None else (3, *([frames] if frames > 1 else []), side, side)

    @property
    def batches_bytes(self) -> int | None:
        """Main memory of the batches read ahead, of the one being joined, and of the present one; None for views of unknown size."""
        shape = self.view_shape
        batches = 2 + self.workers * self.loader.prefetch_batches if self.workers else 1
        return None if shape is None else self.batch_size * self.views_per_video * math.prod(shape) * batches

    @property
    def batches_per_epoch(self) -> int:
        """Steps of an epoch, equal on all ranks. Raises InputError if a batch is larger than the data."""
        return self._sampler().batches

    def batches_after(self, videos: int) -> int:
        """Steps that are left of an epoch of which all ranks have seen so many videos."""
        return self._sampler().batches_after(videos)

    def state_dict(self) -> dict[str, Any]:
        return self._account.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._account.load_state_dict(state_dict)

    @property
    def broken_videos(self) -> tuple[BrokenVideo, ...]:
        """Broken training videos so far; after the last batch of an epoch, of all ranks."""
        return self._account.videos

    def manifest(self, split: SplitName) -> Manifest:
        manifest = self._splits.train if split == "train" else self._splits.test
        if manifest is None:
            hint = "Evaluate on the training videos, or choose data with a test list."
            raise InputError(expected="a test split", got="data without a test split", hint=hint)
        return manifest

    def footage(self) -> Footage:
        """Length of the training videos, by their headers."""
        return footage_of(self._splits.train)

    def training_dataset(self) -> Dataset[Any]:
        """Samples of the task from the training videos, by (epoch, index)."""
        return SegmentVideoDataset(
            manifest=self._splits.train,
            decoder=self.decoding,
            sampling=self.sampling,
            transform=self.transform,
            color_augmentation=self.color_augmentation,
            seed=self.seed,
            resolution=self.resolution,
        )

    @staticmethod
    def collate(samples: list[Any]) -> TrainingBatch | NoReadableVideo:
        """Collate samples of the task into a batch."""
        return collate_segment_views(samples)

    def train_dataloader(self) -> ResumableLoader:
        """Training batches of this rank, uint8."""
        self._training = ResumableLoader(
            dataset=self.training_dataset(),
            sampler=self._sampler(),
            workers=self.workers,
            prefetch_batches=self.loader.prefetch_batches,
            on_gpu=self._on_cuda(),
            collate=self.collate,
            trainer=self.trainer,
        )
        return self._training

    def teardown(self, stage: str) -> None:  # noqa: ARG002
        """End the workers of training, which read ahead between two epochs."""
        if self._training is not None:
            self._training.stop()

    def on_exception(self, exception: BaseException) -> None:  # noqa: ARG002
        self.teardown("fit")

    def evaluation_dataloader(self, split: SplitName, *, videos: Sequence[int] | None = None) -> Iterable[VideoFrames]:
        """Whole videos of this rank, uint8; over all ranks each video, or each of `videos`, exactly once.

        A broken video is a row without valid frames.
        """
        manifest = self.manifest(split)
        return self._whole_videos(manifest, videos=range(len(manifest)) if videos is None else videos, decoder=self.decoding)

    def copies_dataloader(self, videos: Sequence[int]) -> Iterable[VideoFrames]:
        """As `evaluation_dataloader`, of `copies_per_video` made copies of each of these training videos, one video after another."""
        copies = copies_of(self._splits.train, videos, kinds=STRONG_CHANGES)
        return self._whole_videos(
            copies, videos=range(len(copies)), decoder=CopyDecoder(self._splits.train.decoder(self.decoding), changes=STRONG_CHANGES)
        )

    @property
    def copies_per_video(self) -> int:
        return len(STRONG_CHANGES)

    def _whole_videos(self, manifest: Manifest, *, videos: Sequence[int], decoder: VideoDecoder) -> Iterable[VideoFrames]:
        own = videos[self._rank() :: self._ranks()]
        return WatchedLoader(
            EvaluationVideoDataset(manifest=manifest, decoder=decoder, view=self.evaluation_view, sampling=self.sampling),
            sampler=own,
            batch_size=self.loader.evaluation_batch_size,
            num_workers=self._worker_count(batches=math.ceil(len(own) / self.loader.evaluation_batch_size)),
            pin_memory=self._on_cuda(),
            collate_fn=collate_video_frames,
            generator=torch.Generator(),  # a separate generator: evaluation does not advance that of the run
        )

    def prepare(self, batch: VideoFrames) -> VideoFrames:
        """The batch with normalized float frames on the same device; warns if the crop covers a small part of the frames."""
        self._narrow.observe(batch.narrow if self._rank() == 0 else ())
        return replace(batch, frames=self.evaluation_view.normalize(batch.frames, clips=self.sampling.frames_per_clip > 1))

    def normalize_as(self, normalization: Normalization | None) -> None:
        """Use the backbone's normalization in training and evaluation; None keeps the options' mean and std."""
        if normalization is None:
            return
        if self._rank() == 0:
            logger.info("frames are normalized as the backbone requires: mean %s, std %s", normalization.mean, normalization.std)
        self.color_augmentation.mean = self.evaluation_view.mean = normalization.mean
        self.color_augmentation.std = self.evaluation_view.std = normalization.std

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Count broken videos. Ranks exchange them every 64 steps and at the end of an epoch, and stop together if there are too many."""
        if isinstance(batch, TrainingBatch) and self.trainer is not None and self.trainer.training:
            self._account.observe(batch.broken)
            self._steps += 1
            if self._ranks() == 1 or self.trainer.is_last_batch or self._steps % STEPS_BETWEEN_AGREEMENTS == 0:
                self._account.agree()
        return batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Color, blur, flip and normalization of all views of the batch at once, on the device."""
        if not isinstance(batch, TrainingBatch):
            return batch
        if isinstance(batch, SegmentViews) and self.receive_keys is not None and (received := self.receive_keys(batch)):
            used = batch.views.shape[1] if self._steps <= 1 else self.segments  # own keys: only for the pictures of the first batch
            batch = replace(batch, views=batch.views[:, :used], color_parameters=batch.color_parameters[:, :used])
            batch = replace(batch, received=tuple(replace(key, views=self._colored(key)) for key in received))
        return replace(batch, views=self._colored(batch))

    def _colored(self, given: Any) -> Tensor:
        colored = self.color_augmentation.apply(given.views.flatten(0, 1), given.color_parameters.flatten(0, 1))
        return cast(Tensor, colored.unflatten(0, given.views.shape[:2]))

    def _sampler(self) -> EpochSampler:
        videos, accumulated = len(self._splits.train), 1
        if self.loader.global_batch_size is not None and self.trainer is not None:
            accumulated = self.trainer.accumulate_grad_batches
        batch_size, ranks = self.loader.batch_size, self._ranks()
        return EpochSampler(videos=videos, batch_size=batch_size, rank=self._rank(), ranks=ranks, seed=self.seed, accumulated=accumulated)

    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer is not None else rank()

    def _ranks(self) -> int:
        return self.trainer.world_size if self.trainer is not None else world_size()

    def _worker_count(self, *, batches: int) -> int:
        return self.loader.worker_count(cores=available_cores() if self._cores is None else self._cores, batches=batches)

    def _on_cuda(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
