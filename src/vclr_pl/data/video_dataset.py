"""Map-style datasets of videos, of exact length, over any list of pytorchvideo."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vclr_pl.data.part_reading import PartReader, subclip
from vclr_pl.data.samples import (
    Crop,
    EvaluationSample,
    FrameSource,
    NoReadableVideo,
    SegmentSample,
    assemble_views,
    draw_segments,
    with_broken,
)
from vclr_pl.data.sampling import SegmentClipSampler, VideoTooShortError, clips_around
from vclr_pl.data.transform.evaluation_view import EvaluationView, narrow_view
from vclr_pl.data.transform.resolution import ProgressiveResolution
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.types import BrokenVideo
from vclr_pl.video.protocol import VideoDecoder, VideoReadError

MOST_REPLACEMENTS = 64  # if a third of the videos are broken, 64 in a row are less likely than a disk failure

DECODE_ERRORS = (VideoReadError, VideoTooShortError, OSError, IndexError)  # OSError: disk failure; IndexError: wrong header


class ColorDraw(Protocol):
    """The part of `transform.color_augmentation` that a worker needs."""

    def draw(self, views: int, generator: np.random.Generator) -> Tensor: ...


class ColorOperation(ColorDraw, Protocol):
    """Random values are drawn in the worker; the operations run on the device for the whole batch."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, views: Tensor, parameters: Tensor) -> Tensor: ...


def random_generator(*, seed: int, epoch: int, video: int, attempt: int, purpose: int) -> np.random.Generator:
    """A random generator for one purpose of one sample, independent of worker, rank and earlier draws."""
    return np.random.default_rng(np.random.SeedSequence((seed, epoch, video, attempt, purpose)))


class ClipLength(Protocol):
    """The part of an evaluation view that chooses frames."""

    frames_per_clip: int
    frame_stride: int


class Sample(Protocol):
    """One video of a training batch, and the broken videos that were replaced by it."""

    @property
    def broken(self) -> tuple[BrokenVideo, ...]: ...


MadeSample = TypeVar("MadeSample", bound=Sample)


@dataclass(frozen=True)
class SampleDraws:
    """Random generators of one sample, one per purpose, and its epoch."""

    moments: np.random.Generator
    crops: np.random.Generator
    colors: np.random.Generator
    epoch: int


class TrainingVideoDataset(Dataset[MadeSample | NoReadableVideo], Generic[MadeSample]):
    """Training samples by `(epoch, video index)`. A sample depends only on this key and the seed; subclasses define it.

    A broken or too short video is replaced by the first readable video of a sequence drawn from (seed, epoch, video), without
    repetition, at most 64 long. The sample lists the replaced videos. A worker remembers broken videos and does not open them
    again. This changes no sample if the file stays unreadable. If the reason may be temporary (a time limit), the worker
    opens the file a second time, the next time that it is drawn.
    """

    def __init__(self, *, manifest: Manifest, decoder: VideoDecoder, seed: int) -> None:
        self.manifest, self.decoder, self.seed = manifest, manifest.decoder(decoder), seed
        self._broken: dict[int, BrokenVideo] = {}
        self._tried_once: set[int] = set()

    @abstractmethod
    def sample(self, reader: FrameSource, *, draws: SampleDraws, video: int) -> MadeSample:
        """The sample of an open video. Raises one of DECODE_ERRORS if the video cannot be used."""

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: tuple[int, int]) -> MadeSample | NoReadableVideo:
        epoch, index = key
        broken: list[BrokenVideo] = []
        for attempt, candidate in enumerate(self._candidates(epoch=epoch, index=index)):
            sample = self._read(epoch=epoch, drawn_for=index, candidate=candidate, attempt=attempt)
            if not isinstance(sample, BrokenVideo):
                return with_broken(sample, broken)
            broken.append(sample)
        return NoReadableVideo(tuple(broken))

    def draws(self, *, epoch: int, video: int, attempt: int) -> SampleDraws:
        """The random generators of `self[epoch, video]`; those of its n-th replacement with `attempt` n."""
        generators = (random_generator(seed=self.seed, epoch=epoch, video=video, attempt=attempt, purpose=purpose) for purpose in range(3))
        moments, crops, colors = generators
        return SampleDraws(moments=moments, crops=crops, colors=colors, epoch=epoch)

    def _candidates(self, *, epoch: int, index: int) -> Iterator[int]:
        yield index
        generator = random_generator(seed=self.seed, epoch=epoch, video=index, attempt=0, purpose=3)
        draws = generator.choice(len(self), min(len(self), MOST_REPLACEMENTS), replace=False)
        yield from (int(candidate) for candidate in draws if candidate != index)

    def _read(self, *, epoch: int, drawn_for: int, candidate: int, attempt: int) -> MadeSample | BrokenVideo:
        if candidate in self._broken:
            return self._broken[candidate]
        path, draws = self.manifest.path(candidate), self.draws(epoch=epoch, video=drawn_for, attempt=attempt)
        try:
            with self.decoder.open(path) as file:
                return self.sample(subclip(file, self.manifest, candidate), draws=draws, video=candidate)
        except DECODE_ERRORS as error:
            video = broken_video(path, error, backend=self.decoder.backend_of(path))
            if not video.is_temporary or candidate in self._tried_once:
                self._broken[candidate] = video
            self._tried_once.add(candidate)
            return video


class SegmentVideoDataset(TrainingVideoDataset[SegmentSample]):
    """Samples of pretraining: the moments of both tuples, their crops, and the order of the tuples.

    Args:
        resolution: the size of the views in each epoch; None for that of `transform`.
    """

    def __init__(
        self,
        *,
        manifest: Manifest,
        decoder: VideoDecoder,
        sampling: SegmentClipSampler,
        transform: Crop,
        color_augmentation: ColorDraw,
        seed: int,
        resolution: ProgressiveResolution | None = None,
    ) -> None:
        super().__init__(manifest=manifest, decoder=decoder, seed=seed)
        self.sampling, self.transform, self.color_augmentation = sampling, transform, color_augmentation
        self.resolution = resolution

    def sample(self, reader: FrameSource, *, draws: SampleDraws, video: int) -> SegmentSample:
        """The sample of an open video. Raises VideoTooShortError below two frames per segment."""
        draw = draw_segments(frame_count=reader.frame_count, sampling=self.sampling, generator=draws.moments)
        transform = self.transform if self.resolution is None else self.resolution.crop_of(self.transform, epoch=draws.epoch)
        views = assemble_views(reader=reader, draw=draw, transform=transform, generator=draws.crops)
        return SegmentSample(
            views=views,
            color_parameters=torch.as_tensor(self.color_augmentation.draw(len(views), draws.colors)),
            anchor_segment=draw.anchor_segment,
            order=draw.order,
            video_index=video,
        )


class EvaluationVideoDataset(Dataset[EvaluationSample]):
    """The evaluation frames of each video, or clips around them for 3D networks. Parts of one file that follow each other share its reader.

    A broken video is a sample without frames.
    """

    def __init__(self, *, manifest: Manifest, decoder: VideoDecoder, view: EvaluationView, sampling: ClipLength) -> None:
        self.manifest, self.decoder, self.view, self.sampling = manifest, manifest.decoder(decoder), view, sampling
        self._parts = PartReader(manifest=manifest, decoder=self.decoder, wanted=self._wanted)

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> EvaluationSample:
        path, label = self.manifest.path(index), self.manifest.label(index)
        try:
            with self._parts.open(index) as source:
                frames, (height, width) = self._frames(source)
        except DECODE_ERRORS as error:
            broken = broken_video(path, error, backend=self.decoder.backend_of(path))
            return EvaluationSample(frames=None, label=label, video_index=index, broken=(broken,))
        narrow = narrow_view(self.view, path=path, height=height, width=width)
        return EvaluationSample(frames=frames, label=label, video_index=index, narrow=narrow)

    def _indices(self, frame_count: int) -> npt.NDArray[np.int64]:
        """`[T]` frames, or `[T, t]` for clips."""
        centers = self.view.indices(frame_count)
        if self.sampling.frames_per_clip == 1:
            return np.asarray(centers)
        return clips_around(
            centers=centers,
            frame_count=frame_count,
            frames_per_clip=self.sampling.frames_per_clip,
            frame_stride=self.sampling.frame_stride,
        )

    def _wanted(self, frame_count: int) -> list[int]:
        indices: list[int] = self._indices(frame_count).ravel().tolist()
        return indices

    def _frames(self, reader: FrameSource) -> tuple[Tensor, tuple[int, int]]:
        """Frames `[T, C, H, W]` or clips `[T, C, t, H, W]`; and height and width of the frames before the crop."""
        clips = self._indices(reader.frame_count)
        if clips.ndim == 1:
            whole = reader.frames(clips.tolist())
            return self.view.crop(whole), (whole.shape[-2], whole.shape[-1])
        wanted, place_of = np.unique(clips, return_inverse=True)
        whole = reader.frames(wanted.tolist())
        frames = self.view.crop(whole).unflatten(0, (-1, len(wanted)))  # crop by crop
        shown: Tensor = frames[:, torch.from_numpy(place_of.reshape(clips.shape))].flatten(0, 1).transpose(1, 2)
        return shown, (whole.shape[-2], whole.shape[-1])


def broken_video(path: str, error: Exception, *, backend: str) -> BrokenVideo:
    """Describe the error. `backend` is used if the error does not name one."""
    if isinstance(error, VideoReadError):
        return BrokenVideo(path=path, backend=error.backend, reason=error.reason, is_temporary=error.is_temporary)
    if isinstance(error, OSError):
        return BrokenVideo(path=path, backend=backend, reason=f"{type(error).__name__}: {error.strerror or error}", is_temporary=True)
    return BrokenVideo(path=path, backend=backend, reason=str(error))
