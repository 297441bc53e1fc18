"""The data of recognition, for Lightning: as pretraining's, with another sample, and with labels that have to be there."""

from __future__ import annotations

from typing import Any

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
        InputError: a video without a label, fewer than two classes, or a test video of a class that training does not know.
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
        self._class_names = train.class_names or tuple(map(str, range(int(train.labels.max()) + 1)))
        _refuse_strange_classes(train, test, classes=len(self._class_names))

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


def _refuse_strange_classes(train: Manifest, test: Manifest | None, *, classes: int) -> None:
    if classes < 2:
        raise InputError(expected="videos of at least two classes", got=str(classes), remedy="Give data with more classes.")
    highest = max(int(manifest.labels.max()) for manifest in (train, test) if manifest is not None)
    if highest >= classes:
        raise InputError(
            expected=f"labels below {classes}, the number of training classes", got=str(highest), remedy="Correct the lists' labels."
        )
