"""Parts of a file as videos of their own; parts that follow each other in a list are read with one open file, forward.

Legend: T requested frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from vclr_pl.data.samples import FrameSource
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.video.protocol import VideoDecoder, VideoReader


class _Part:
    """Part of an open video; frame indices start at 0 for its first frame."""

    def __init__(self, frames: Callable[[Sequence[int]], Tensor], *, first: int, end: int) -> None:
        self._frames, self._first, self.frame_count = frames, first, end - first

    def frames(self, indices: Sequence[int]) -> Tensor:
        return self._frames([self._first + index for index in indices])


def subclip(reader: VideoReader, manifest: Manifest, index: int) -> FrameSource:
    """The frames of a video of the list, in its open file."""
    if manifest.span(index) == (0.0, 1.0):
        return reader
    first, end = manifest.frames(index, frame_count=reader.frame_count)
    return _Part(reader.frames, first=first, end=end)


class PartReader:
    """Opens videos of a list. The file stays open while the next video is another part of it.

    Overlapping parts share frames. A frame that later parts need is kept when the reader passes it, so the file is read forward only: a
    container that cannot be sought would start anew for each step back. At most the frames of a few overlapping parts are kept.

    Args:
        wanted: the frame indices that a part of so many frames needs.
    """

    def __init__(self, *, manifest: Manifest, decoder: VideoDecoder, wanted: Callable[[int], Sequence[int]]) -> None:
        self.manifest, self.decoder, self.wanted = manifest, decoder, wanted
        self._path = ""
        self._file: VideoReader | None = None
        self._kept: dict[int, Tensor] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_path": "", "_file": None, "_kept": {}}  # an open file stays in its process

    @contextlib.contextmanager
    def open(self, index: int) -> Iterator[FrameSource]:
        """The video at `index`. Raises what the decoder raises."""
        path = self.manifest.path(index)
        if path != self._path or self._file is None:
            self.close()
            self._path, self._file = path, self.decoder.open(path)
        file = self._file
        try:
            if not self._continues(index) and not self._kept:
                yield subclip(file, self.manifest, index)
            else:
                first, end = self.manifest.frames(index, frame_count=file.frame_count)
                yield _Part(lambda indices: self._read(file, index, indices), first=first, end=end)
        except BaseException:
            self.close()
            raise
        if not self._continues(index):
            self.close()

    def close(self) -> None:
        file, self._file, self._kept = self._file, None, {}
        if file is not None:
            file.close()

    def _continues(self, index: int) -> bool:
        return index + 1 < len(self.manifest) and self.manifest.path(index + 1) == self.manifest.path(index)

    def _read(self, file: VideoReader, index: int, indices: Sequence[int]) -> Tensor:
        ahead = self._needed_ahead(index, before=max([*indices, *self._kept]), frame_count=file.frame_count)
        missing = sorted({*indices, *ahead} - self._kept.keys())
        read = dict(zip(missing, file.frames(missing), strict=True)) if missing else {}
        frames = self._kept | read
        self._kept = {number: frames[number].clone() if number in read else frames[number] for number in ahead}
        return torch.stack([frames[number] for number in indices]).contiguous(memory_format=torch.channels_last)

    def _needed_ahead(self, index: int, *, before: int, frame_count: int) -> set[int]:
        """Frames up to `before` that later parts of the file need."""
        ahead: set[int] = set()
        while self._continues(index):
            index += 1
            first, end = self.manifest.frames(index, frame_count=frame_count)
            if first > before:
                break
            ahead.update(number for offset in self.wanted(end - first) if (number := first + offset) <= before)
        return ahead
