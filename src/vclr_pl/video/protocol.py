"""The protocols of decoders and readers, their error, and their sign of life.

Legend: T requested frames, C = 3 channels (RGB), H W pixels.

Only a child process that decodes has a listener; in other processes `still_working` has no effect.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Sequence
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from torch import Tensor


class VideoReadError(Exception):
    """A video that cannot be read: file, backend and reason. Can be pickled.

    `is_temporary`: the cause may be outside the file (a time limit, too little memory), so a retry can succeed.
    """

    def __init__(self, path: str, backend: str, reason: str, is_temporary: bool = False) -> None:
        super().__init__(path, backend, reason, is_temporary)
        self.path, self.backend, self.reason, self.is_temporary = path, backend, reason, is_temporary

    def __str__(self) -> str:
        return f"{self.path}: {self.backend} cannot read it: {self.reason}"


class VideoReader(Protocol):
    """An open video. Use it as a context manager; `close` may be called twice."""

    @property
    def backend(self) -> str:
        """Name of the backend that reads this file."""

    @property
    def frame_count(self) -> int:
        """Frames in presentation order, counted from the file's packets and not taken from its header."""

    def frames(self, indices: Sequence[int]) -> Tensor:
        """uint8 RGB `[T, C, H, W]` in `channels_last` memory, one frame per index.

        Indices may repeat, in any order. The rotation given by the file is applied.
        Raises IndexError for an index outside `[0, frame_count)`, VideoReadError if a requested frame does not decode.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class VideoDecoder(Protocol):
    """Opens videos. Contains only options, so it can be copied into workers."""

    def backend_of(self, path: str | PathLike[str]) -> str:
        """Name of the backend that reads this file, for errors and tables."""

    def open(self, path: str | PathLike[str]) -> VideoReader:
        """Open a video. Raises VideoReadError if the file does not exist, is empty, or contains no video or no frames."""


class ClosingReader:
    """Base of readers: the context manager."""

    def close(self) -> None:
        """Free the file; most backends need no action."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def existing_file(path: str | PathLike[str], *, backend: str) -> str:
    """The absolute path, which FFmpeg cannot mistake for a protocol (`name:rest`) or an option (`-name`).

    Raises VideoReadError if the file does not exist, is a folder, or is empty.
    """
    file = Path(path).absolute()
    try:
        status = file.stat()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError | NotADirectoryError) else str(error.strerror)
        raise VideoReadError(fspath(path), backend, reason) from error
    if not stat.S_ISREG(status.st_mode):
        raise VideoReadError(fspath(path), backend, "not a file")
    if status.st_size == 0:
        raise VideoReadError(fspath(path), backend, "the file is empty (0 bytes)")
    return str(file)


def require_indices(indices: Sequence[int], *, frame_count: int, path: str) -> list[int]:
    """The indices as a list of int. Raises IndexError if there are none, or one is outside `[0, frame_count)`."""
    wanted = [int(index) for index in indices]
    if not wanted:
        raise IndexError(f"{path}: no frame index was requested")
    if min(wanted) < 0 or max(wanted) >= frame_count:
        raise IndexError(f"{path}: frames {min(wanted)} to {max(wanted)} were requested, but the video has frames 0 to {frame_count - 1}")
    return wanted


def scaled_size(*, height: int, width: int, short_side_pixels: int | None) -> tuple[int, int]:
    """(height, width) with the short side at `short_side_pixels` and the aspect kept; unchanged for None."""
    if short_side_pixels is None:
        return height, width
    scale = short_side_pixels / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


_BETWEEN_SIGNS_SECONDS = 0.2

_listener: Callable[[], None] | None = None
_told_seconds = 0.0


def listen(listener: Callable[[], None]) -> None:
    """`listener` is called while this process decodes, a few times a second at most."""
    global _listener
    _listener = listener


def still_working() -> None:
    """Call this for each decoded frame, and each packet of a scan."""
    global _told_seconds
    if _listener is None:
        return
    now = time.monotonic()
    if now - _told_seconds > _BETWEEN_SIGNS_SECONDS:
        _told_seconds = now
        _listener()
