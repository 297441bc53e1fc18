"""The frames of long videos in parts, so that an hour of video needs no more memory than a minute.

Legend: N snippets of a part, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from vclr_pl.data.decoding.protocol import VideoDecoder, VideoReader
from vclr_pl.data.narrow_view import narrow_view
from vclr_pl.data.segment_sampling import clips_around
from vclr_pl.data.snippet_sampling import snippet_centers
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.video_dataset import UNREADABLE, broken_video
from vclr_pl.types import BrokenVideo, NarrowView


@dataclass(frozen=True)
class SnippetPart:
    """Some of a video's snippets, in temporal order; the last part, or the broken video in place of it, says that it is the last."""

    video_index: int
    frames: Tensor | None  # uint8 [N, C, H, W], of clips [N, C, t, H, W]; None where the video is broken
    frame_count: int
    is_last: bool
    broken: BrokenVideo | None = None
    narrow: tuple[NarrowView, ...] = ()

    def __len__(self) -> int:
        return 0 if self.frames is None else len(self.frames)


@dataclass(frozen=True, kw_only=True)
class SnippetSampling:
    """Where snippets are and what the network sees of each: a frame, or a clip around it."""

    snippet_frames: int
    snippets_per_part: int
    frames_per_clip: int
    frame_stride: int


class SnippetReading(IterableDataset[SnippetPart]):
    """All parts of each video one after the other; a worker has its own videos.

    Args:
        videos: (index, path) of those to read.
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
        except UNREADABLE as error:
            broken = broken_video(path, error, backend=self.decoder.backend_of(path))
            yield SnippetPart(video_index=index, frames=None, frame_count=0, is_last=True, broken=broken)

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
        """Of a part; and height and width of the frames before the crop."""
        if self.sampling.frames_per_clip == 1:
            whole = reader.frames(centers)
            return self.view.geometry(whole), (whole.shape[-2], whole.shape[-1])
        indices_NT = clips_around(
            centers=centers,
            frame_count=reader.frame_count,
            frames_per_clip=self.sampling.frames_per_clip,
            frame_stride=self.sampling.frame_stride,
        )
        whole = reader.frames(indices_NT.reshape(-1).tolist())
        frames = self.view.geometry(whole)
        return frames.reshape(*indices_NT.shape, *frames.shape[1:]).movedim(1, 2), (whole.shape[-2], whole.shape[-1])
