"""Data of localization: annotations, snippet features, resampled features, true segments.

Legend: N snippets of a video, D features, T positions.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from vclr_pl.datasets.activitynet import SUBSETS, TRAINING, AnnotatedVideo
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.datasets.untrimmed import LocalizationSet
from vclr_pl.datasets.video_scan import few
from vclr_pl.localization.dataset import SnippetDataset, SnippetLoader, SnippetSample
from vclr_pl.localization.feature_folder import SnippetFolder, SnippetResampling
from vclr_pl.localization.snippets import covered_seconds
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SnippetData:
    """
    Args:
        untrimmed: videos and annotations.
        snippets: folder of the features, one file per video, extracted by this package or the user's own.
        resampled: folder for the features at T positions.
        resampling: computes the resampled features.
        batches: options of the batches.
        snippet_frames: frames of a snippet; remaining frames at the end of a video are not covered.
        subset: subset for which proposals are made and evaluated.
    """

    untrimmed: LocalizationSet
    snippets: str
    resampled: str
    resampling: SnippetResampling
    batches: SnippetLoader
    snippet_frames: int
    subset: str

    def __post_init__(self) -> None:
        if self.subset not in SUBSETS:
            raise InputError(expected=f"subset to be one of {', '.join(SUBSETS)}", got=self.subset, hint="Set subset=validation.")

    @property
    def folder(self) -> SnippetFolder:
        return SnippetFolder(Path(self.snippets).expanduser())

    @property
    def identities(self) -> list[str]:
        """Identities of the training videos and the evaluated videos, which need features."""
        return [video.identity for video in self.untrimmed.videos if video.subset in (TRAINING, self.subset)]

    def paths(self) -> dict[str, str]:
        """Video files by identity. Annotated videos that are not on disk are counted in the log."""
        paths = self.untrimmed.paths()
        present = {identity: paths[identity] for identity in self.identities if identity in paths}
        absent = len(self.identities) - len(present)
        if absent:
            logger.warning("%s: %d videos are not below %s and are left out", self.untrimmed.source.name, absent, self.untrimmed.root)
        return present

    def resample(self, identities: Sequence[str]) -> None:
        """Write the resampled features of these videos; remove those of videos that no longer have features."""
        folder = self.folder
        if not folder.path.is_dir():
            raise InputError(
                expected=f"snippet features in '{folder.path}'",
                got="no such folder",
                hint="Run the stage features, or set snippets=DIR.",
            )
        files = self.resampling.write(folder, identities=identities, output=Path(self.resampled))
        for identity in {*self.identities, *identities}.difference(files):
            for suffix in (".npy", ".key"):
                (Path(self.resampled) / f"{identity}{suffix}").unlink(missing_ok=True)
        logger.info("features of %d videos at %d positions: %s", len(files), self.resampling.positions, self.resampled)

    @cached_property
    def files(self) -> dict[str, Path]:
        """Resampled features by identity.

        Raises:
            InputError: there are none.
        """
        candidates = {video.identity: Path(self.resampled) / f"{video.identity}.npy" for video in self.untrimmed.videos}
        existing = {identity: file for identity, file in candidates.items() if file.is_file()}
        if not existing:
            raise InputError(expected=f"resampled features in '{self.resampled}'", got="none", hint="Run the stage resample first.")
        return existing

    @property
    def feature_dim(self) -> int:
        return int(np.load(next(iter(self.files.values())), mmap_mode="r").shape[0])

    @property
    def trained(self) -> tuple[AnnotatedVideo, ...]:
        """The training videos with features and a segment."""
        return tuple(video for video in self.untrimmed.subset(TRAINING) if video.identity in self.files and video.segments)

    def digest(self, videos: Sequence[AnnotatedVideo]) -> str:
        """Digest of the network's inputs for these videos (segments, covered seconds, features), 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for video in videos:
            key = self.files[video.identity].with_suffix(".key").read_text()
            digest.update(repr((video, self.covered[video.identity], key)).encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]

    @cached_property
    def covered(self) -> dict[str, float]:
        """Seconds covered by the snippets of each video. Numbers of frames come from the extraction or the annotations."""
        frames = {**self.untrimmed.frames, **self.folder.frames()}
        return {
            video.identity: covered_seconds(
                duration_seconds=video.duration_seconds, frames=frames.get(video.identity), snippet_frames=self.snippet_frames
            )
            for video in self.untrimmed.videos
        }

    def dataset(self, subset: str) -> SnippetDataset:
        """The videos of a subset with features.

        Raises:
            InputError: no video has features.
        """
        dataset = SnippetDataset(videos=self.untrimmed.subset(subset), files=self.files, covered_seconds=self.covered)
        if not len(dataset):
            raise InputError(
                expected=f"videos of the subset '{subset}' with features",
                got=f"{len(self.untrimmed.subset(subset))} annotated, none with features",
                hint="Correct the field subset in the annotations, or extract the features.",
            )
        return dataset

    def training_loader(self, *, seed: int, trainer: Any) -> DataLoader[SnippetSample]:
        """Videos of the training subset with a segment, those of this rank of `trainer`.

        Raises:
            InputError: there are none.
        """
        dataset = self.dataset(TRAINING)
        dataset.videos = self.trained
        if not dataset.videos:
            raise InputError(
                expected="training videos with segments", got="no segments", hint="Annotate at least one video of subset training."
            )
        on_gpu = trainer.strategy.root_device.type == "cuda"
        return self.batches.training(dataset, seed=seed, rank=trainer.global_rank, ranks=trainer.world_size, pin_memory=on_gpu)

    def reading_loader(self, indices: Sequence[int]) -> DataLoader[SnippetSample]:
        """These videos of the evaluated subset."""
        return self.batches.reading(self.dataset(self.subset), indices)

    @cached_property
    def judged(self) -> tuple[AnnotatedVideo, ...]:
        """The videos of the evaluated subset with features."""
        return self.dataset(self.subset).videos

    def truth(self) -> dict[str, list[tuple[str, float, float]]]:
        """Label, start and end in seconds of the segments of the evaluated videos; videos without segments are left out."""
        return {
            video.identity: [(one.label, one.start_seconds, one.end_seconds) for one in video.segments]
            for video in self.judged
            if video.segments
        }

    def class_scores(self, *, logits: str | None = None) -> dict[str, dict[str, float]] | None:
        """A recognizer's logits averaged over each evaluated video, as probabilities by label; None if the features are not logits.

        Args:
            logits: a separate folder of a recognizer's logits; None to use the features.

        Raises:
            InputError: `logits` names a folder that is not a recognizer's, or its classes are not those of the annotations.
        """
        folder = self.folder if logits is None else SnippetFolder(Path(logits).expanduser())
        names: Sequence[str] = folder.description().get("class_names", ())
        if not names and logits is not None:
            raise InputError(
                expected="a folder of a recognizer's logits, with class_names in its features.json",
                got=f"class_scores={logits}",
                hint="Run the stage features with a fine-tuned recognizer as encoder.",
            )
        if not names:
            return None
        _compare_classes(names, self.untrimmed.class_names)
        return {video.identity: _probabilities(folder, video.identity, names) for video in self.judged}

    def manifest(self, identities: Sequence[str]) -> Manifest | None:
        """The video files of these videos, in order, for pictures; None if the videos are not available."""
        if self.untrimmed.root is None:
            return None
        paths: Mapping[str, Any] = self.untrimmed.paths()
        return Manifest.from_pairs((paths.get(identity, f"{self.untrimmed.root}/{identity}"), None) for identity in identities)


def _compare_classes(recognized: Sequence[str], annotated: Sequence[str]) -> None:
    """Check the classes of a recognizer. Annotated classes that it lacks are counted in a warning.

    Raises:
        InputError: no common class name.
    """
    missing = [name for name in annotated if name not in set(recognized)]
    if len(missing) == len(annotated):
        raise InputError(
            expected=f"a recognizer of the annotated classes ({few(annotated)})",
            got=f"one of other classes ({few(recognized)})",
            hint="Fine-tune it on classes with the same names, or set class_scores=FILE.",
        )
    if missing:
        message = "the recognizer has %d of the %d annotated classes; there are no detections of the others: %s"
        logger.warning(message, len(annotated) - len(missing), len(annotated), few(missing))


def _probabilities(folder: SnippetFolder, identity: str, names: Sequence[str]) -> dict[str, float]:
    file = folder.file(identity)
    if file is None:
        return {}
    logits_ND = torch.from_numpy(folder.read(identity, file=file))
    return dict(zip(names, logits_ND.double().mean(dim=0).softmax(dim=0).tolist(), strict=True))
