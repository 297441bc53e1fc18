"""Snippets of untrimmed videos: their positions, and the frames for an encoder.

Legend: N snippets of a video, D features, T positions, N snippets of a part, C channels, H W pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.utils.data import IterableDataset, get_worker_info

from vclr_pl.data.sampling import clips_around
from vclr_pl.data.transform.evaluation_view import EvaluationView, narrow_view
from vclr_pl.data.video_dataset import DECODE_ERRORS, broken_video
from vclr_pl.features.encoder import FrozenEncoder, load_encoder
from vclr_pl.features.pooling import MEAN_POOLING
from vclr_pl.features.recognizer import FrozenRecognizer, is_recognizer, load_recognizer
from vclr_pl.types import BrokenVideo, InputError, NarrowView
from vclr_pl.video.protocol import VideoDecoder, VideoReader

Features = npt.NDArray[np.float32]
MARGIN = 1e-4  # margin of the published code at the first and last snippet, for its interpolation


def snippet_centers(*, frame_count: int, snippet_frames: int) -> list[int]:
    """The center frame of every `snippet_frames` frames: n/2, n/2 + n, ...; the middle one of a video too short for that.

    The published features (mmaction2's untrimmed sampling) are at frames 8, 24, 40, ... for n = 16.
    """
    centers = list(range(snippet_frames // 2, frame_count, snippet_frames))
    return centers or [frame_count // 2]


def resample(features_ND: Features, *, positions: int, points_per_position: int) -> Features:
    """`[T, D]`: T equal bins from the first to the last snippet, each the mean of `points_per_position` linear interpolations.

    Source: mmaction2's `pool_feature` (published: 100 positions, 3 points in the first two thirds of a bin). A single snippet is repeated.
    """
    snippets = len(features_ND)
    if snippets == 1:
        return np.repeat(features_ND, positions, axis=0)
    first, last = MARGIN, snippets - 1 - MARGIN
    width = (last - first) / positions
    position = first + width * (np.arange(positions)[:, None] + np.arange(points_per_position) / points_per_position)
    below = np.minimum(position.astype(np.int64), snippets - 2)
    share = (position - below)[..., None]
    values_ND = features_ND.astype(np.float64)
    points = values_ND[below] * (1.0 - share) + values_ND[below + 1] * share
    pooled: Features = points.mean(axis=1).astype(np.float32)
    return pooled


def covered_seconds(*, duration_seconds: float, frames: int | None, snippet_frames: int) -> float:
    """The fraction of a video that its snippets cover: whole snippets only, frames // n x n of the frames (published n: 16).

    It is 1 for a video shorter than a snippet, or of unknown length in frames.
    """
    if frames is None or frames < snippet_frames:
        return duration_seconds
    return float(frames // snippet_frames * snippet_frames) / frames * duration_seconds


@dataclass(frozen=True)
class SnippetPart:
    """Some of a video's snippets, in temporal order. The last part, or the broken video that replaces it, is marked as the last."""

    video_index: int
    frames: Tensor | None  # uint8 [N, C, H, W], for clips [N, C, t, H, W]; None if the video is broken
    frame_count: int
    is_last: bool
    broken: tuple[BrokenVideo, ...] = ()
    narrow: tuple[NarrowView, ...] = ()

    def __len__(self) -> int:
        return 0 if self.frames is None else len(self.frames)


@dataclass(frozen=True, kw_only=True)
class SnippetSampling:
    """Positions of snippets, and the network input for each: a frame, or a clip around it."""

    snippet_frames: int
    snippets_per_part: int
    frames_per_clip: int
    frame_stride: int


class UntrimmedVideoDataset(IterableDataset[SnippetPart]):
    """All parts of each video in sequence; workers have separate videos.

    Args:
        videos: (index, path) of the videos to read.
        view: crops, in the worker.
    """

    def __init__(
        self, *, videos: Sequence[tuple[int, str]], decoder: VideoDecoder, view: EvaluationView, sampling: SnippetSampling
    ) -> None:
        self.videos, self.decoder, self.view, self.sampling = list(videos), decoder, view, sampling

    def __iter__(self) -> Iterator[SnippetPart]:
        worker = get_worker_info()
        for index, path in self.videos if worker is None else self.videos[worker.id :: worker.num_workers]:
            yield from self._parts(index, path)

    def _parts(self, index: int, path: str) -> Iterator[SnippetPart]:
        try:
            with self.decoder.open(path) as reader:
                yield from self._of_open(index, path, reader)
        except DECODE_ERRORS as error:
            broken = broken_video(path, error, backend=self.decoder.backend_of(path))
            yield SnippetPart(video_index=index, frames=None, frame_count=0, is_last=True, broken=(broken,))

    def _of_open(self, index: int, path: str, reader: VideoReader) -> Iterator[SnippetPart]:
        centers = snippet_centers(frame_count=reader.frame_count, snippet_frames=self.sampling.snippet_frames)
        step = self.sampling.snippets_per_part
        for start in range(0, len(centers), step):
            frames, (height, width) = self._frames(reader, centers[start : start + step])
            yield SnippetPart(
                video_index=index,
                frames=frames,
                frame_count=reader.frame_count,
                is_last=start + step >= len(centers),
                narrow=narrow_view(self.view, path=path, height=height, width=width),
            )

    def _frames(self, reader: VideoReader, centers: Sequence[int]) -> tuple[Tensor, tuple[int, int]]:
        """Frames of a part; and height and width of the frames before the crop."""
        if self.sampling.frames_per_clip == 1:
            whole = reader.frames(centers)
            return self.view.crop(whole), (whole.shape[-2], whole.shape[-1])
        indices_NT = clips_around(
            centers=centers,
            frame_count=reader.frame_count,
            frames_per_clip=self.sampling.frames_per_clip,
            frame_stride=self.sampling.frame_stride,
        )
        whole = reader.frames(indices_NT.reshape(-1).tolist())
        frames = self.view.crop(whole)
        return frames.reshape(*indices_NT.shape, *frames.shape[1:]).movedim(1, 2), (whole.shape[-2], whole.shape[-1])


logger = logging.getLogger(__name__)
ONE_FRAME = 1  # snippets have a separate sampling


class SnippetProtocol:
    """Loads encoders with their view.

    Args:
        crop_pixels, short_side_pixels, mean, std: as in `EvaluationProtocol`. They are not used for a recognizer, whose file has them.
            A snippet is one frame or clip, so the pooling of a file is not used.
    """

    def __init__(
        self, *, crop_pixels: int | None, short_side_pixels: int | str | None, mean: Sequence[float] | None, std: Sequence[float] | None
    ) -> None:
        self.view: dict[str, Any] = {
            "frames": ONE_FRAME,
            "crop_pixels": crop_pixels,
            "short_side_pixels": short_side_pixels,
            "mean": mean,
            "std": std,
        }

    def load(self, path: str, *, momentum: bool, backbone: nn.Module | None) -> FrozenEncoder:
        """Load a recognizer, or, for other files, an encoder with `load_encoder`.

        Raises:
            InputError: a recognizer with a temporal shift, or an error of the loaders.
        """
        if is_recognizer(path):
            recognizer = load_recognizer(path, backbone=backbone)
            _refuse_shift(recognizer)
            unused = [f"protocol.{name}" for name, value in self.view.items() if name != "frames" and value is not None]
            unused += ["momentum"] if momentum else []
            if unused:
                logger.warning("%s: not used; a recognizer's file determines frames, crop and network", ", ".join(unused))
            return recognizer
        return load_encoder(path, momentum=momentum, backbone=backbone, view={**self.view, "pooling": MEAN_POOLING})


def _refuse_shift(recognizer: FrozenRecognizer) -> None:
    if recognizer.segments_per_pass > 1:
        raise InputError(
            expected="an encoder of independent snippets",
            got=f"{recognizer.origin}, whose temporal shift mixes {recognizer.segments_per_pass} frames of a video",
            hint="Fine-tune a recognizer without it (the recognizer tsn), or use the pretrained encoder.",
        )
