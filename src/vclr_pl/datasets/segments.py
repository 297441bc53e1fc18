"""Split videos into segments of a few seconds, each a row of its own list."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vclr_pl.datasets.manifest import Manifest, ManifestBuilder
from vclr_pl.types import InputError, VideoSegment
from vclr_pl.video.container import frame_seconds
from vclr_pl.video.frame_folder import numbered_pictures
from vclr_pl.video.protocol import VideoReadError

logger = logging.getLogger(__name__)
ROUNDING_SECONDS = 1e-6


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Windows of equal length over each video. A video shorter than a window is one segment.

    Args:
        seconds: length of a window.
        stride_seconds: time from the start of a window to the start of the next.
        frames_per_second: frame rate of folders of pictures, which store no times.

    Raises:
        InputError: a value that is not above 0, or a stride above the length, which would leave parts of a video out.
    """

    seconds: float
    stride_seconds: float
    frames_per_second: float

    def __post_init__(self) -> None:
        for name in ("seconds", "stride_seconds", "frames_per_second"):
            if not getattr(self, name) > 0:
                raise InputError(expected=f"segment.{name} above 0", got=str(getattr(self, name)), hint=f"Set segment.{name}=2.")
        if self.stride_seconds > self.seconds:
            raise InputError(
                expected=f"segment.stride_seconds up to segment.seconds={self.seconds:g}",
                got=f"{self.stride_seconds:g}, which skips parts of the videos",
                hint=f"Set segment.stride_seconds={self.seconds / 2:g}.",
            )

    @property
    def most_overlapping(self) -> int:
        """Upper bound of the number of windows that share a frame with a window, itself included."""
        return 2 * int(np.ceil(self.seconds / self.stride_seconds)) + 3

    def split(self, manifest: Manifest) -> tuple[Manifest, list[VideoSegment]]:
        """The list of all segments, with the labels of their videos, and each segment's place. Reads packets, decodes nothing.

        An unreadable video stays one row, so that reading it gives the reason.
        """
        builder, segments = ManifestBuilder(root=manifest.root, remote=manifest.remote), list[VideoSegment]()
        for index in range(len(manifest)):
            label = manifest.label(index)
            count, found = self._of_video(manifest, index)
            for segment in found:
                first, end = segment.frames
                builder.add(manifest.path(index), None if label < 0 else label, span=(first / count, end / count))
                segments.append(segment)
        logger.info("%d segments of %g s, one every %g s, in %d videos", len(segments), self.seconds, self.stride_seconds, len(manifest))
        return builder.finish(class_names=manifest.class_names), segments

    def _of_video(self, manifest: Manifest, index: int) -> tuple[int, list[VideoSegment]]:
        """Number of frames of the file, and the segments of the video."""
        try:
            with manifest.local_file(index) as file:
                path = Path(file)
                times = self._folder_seconds(path) if path.is_dir() else frame_seconds(path)
        except VideoReadError:
            times = None
        if times is None:
            return 1, [VideoSegment(video=index, frames=(0, 1), seconds=(0.0, 0.0))]
        count = len(times) - 1
        first, end = manifest.frames(index, frame_count=count)
        windows = self.windows(times[first : end + 1])
        return count, [
            VideoSegment(
                video=index,
                frames=(first + start, first + stop),
                seconds=(round(float(times[first + start]), 6), round(float(times[first + stop]), 6)),
                is_timed=not path.is_dir(),
            )
            for start, stop in windows
        ]

    def windows(self, times: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
        """First frame and end of each window, for `[N + 1]` times: starts of N frames, and the end of the last.

        A rest at the end of half a stride or more is a window of full length at the end; a smaller rest belongs to the last window.
        """
        frames, begin, duration = len(times) - 1, float(times[0]), float(times[-1] - times[0])
        steps = int(np.floor(max(0.0, duration - self.seconds) / self.stride_seconds + ROUNDING_SECONDS))
        starts = [begin + step * self.stride_seconds for step in range(steps + 1)]
        rest = begin + duration - (starts[-1] + self.seconds)
        if rest >= self.stride_seconds / 2:
            starts.append(begin + duration - self.seconds)
        for number, start in enumerate(starts):
            first = min(int(np.searchsorted(times, start - ROUNDING_SECONDS)), frames - 1)
            is_last = number == len(starts) - 1
            end = frames if is_last else int(np.searchsorted(times, start + self.seconds - ROUNDING_SECONDS))
            yield first, max(first + 1, min(end, frames))

    def _folder_seconds(self, path: Path) -> NDArray[np.float64] | None:
        pictures = len(numbered_pictures(path))
        return np.arange(pictures + 1) / self.frames_per_second if pictures else None
