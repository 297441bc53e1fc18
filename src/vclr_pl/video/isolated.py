"""Decode in a child process, so that a decoder that crashes or hangs fails one video and not the run.

A segmentation fault inside FFmpeg ends its process, and no Python signal handler interrupts a loop in C. So each process
that decodes (a loader's worker, or the main process without workers) has one child, which decodes and returns the frames in
shared memory. If a child dies or exceeds the time limit, the video fails with VideoReadError and the next call starts another
child. Children share no state with their parent (`clean_process`), so its earlier actions and its threads cannot
hang them.

Legend: T requested frames, C channels, H W pixels.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from torch import Tensor

from vclr_pl.video.child_process import ChildEndedError, ChildProcess, NoChildError
from vclr_pl.video.clean_process import can_start, shortage, start_server
from vclr_pl.video.protocol import ClosingReader, VideoDecoder, VideoReader, VideoReadError


class IsolatedDecoder:
    """`decoder` in a child process. `decode_timeout_seconds` limits the decoding of each frame.

    Costs a copy of the frames and two process switches per call, about 0.3 ms for six frames of 320 x 240. `decoder` is pickled, and its
    class imported in the child. If the system cannot fork (Windows), it runs in this process, without protection.

    Raises:
        InputError: the machine has no process or memory for the first child, here or at the first video.
    """

    def __init__(self, *, decoder: VideoDecoder, decode_timeout_seconds: float) -> None:
        self.decoder, self.decode_timeout_seconds = decoder, decode_timeout_seconds
        self._child: ChildProcess | None = None
        self._readers = itertools.count()
        self._had_child_in: int | None = None  # process id
        try:
            start_server()  # before a loader forks its workers, which share it; it imports while networks are built
        except OSError as error:
            raise shortage(error.strerror or str(error), number=error.errno) from error

    def backend_of(self, path: str | PathLike[str]) -> str:
        return self.decoder.backend_of(path)

    def open(self, path: str | PathLike[str]) -> VideoReader:
        if not can_start():
            return self.decoder.open(path)
        return IsolatedReader(fspath(path), decoder=self)

    def child(self) -> ChildProcess:
        """The live child of this process. A child inherited through a fork belongs to the parent and is not used.

        Raises:
            InputError: this process cannot have a child.
            NoChildError: the child cannot be replaced now; a run continues with the next video.
        """
        if self._child is None or not self._child.is_ours_and_alive():
            try:
                self._child = ChildProcess(self.decoder, timeout_seconds=self.decode_timeout_seconds)
            except NoChildError as error:
                if self._had_child_in == os.getpid():
                    raise
                raise shortage(error.cause, number=error.number) from error
            self._had_child_in = os.getpid()
        return self._child

    def new_key(self) -> int:
        return next(self._readers)

    def __getstate__(self) -> dict[str, Any]:
        return {"decoder": self.decoder, "decode_timeout_seconds": self.decode_timeout_seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


class IsolatedReader(ClosingReader):
    """A video that is open in the child. Raises the errors of the decoder, and VideoReadError for a crash or a timeout."""

    def __init__(self, path: str, *, decoder: IsolatedDecoder) -> None:
        self.path, self._decoder, self._key = path, decoder, decoder.new_key()
        self._frame_count = self._open()

    @property
    def backend(self) -> str:
        return self._decoder.backend_of(self.path)

    @property
    def frame_count(self) -> int:
        return self._frame_count

    def frames(self, indices: Sequence[int]) -> Tensor:
        if not self._child.is_ours_and_alive():  # another open video crashed it
            self._open()
        frames_TCHW: Tensor = self._ask("frames", [int(index) for index in indices])
        return frames_TCHW

    def close(self) -> None:
        if self._child.is_ours_and_alive():
            self._child.tell("close", self._key)

    def _open(self) -> int:
        try:
            self._child = self._decoder.child()
        except ChildEndedError as error:
            raise self._failure(error) from error
        return int(self._ask("open", self.path))

    def _ask(self, request: str, argument: Any) -> Any:
        try:
            return self._child.ask(request, self._key, argument)
        except ChildEndedError as error:
            raise self._failure(error) from error

    def _failure(self, error: ChildEndedError) -> VideoReadError:
        return VideoReadError(self.path, self._decoder.backend_of(self.path), str(error), is_temporary=error.is_temporary)
