"""A child process that decodes, and the memory that it shares its frames through.

Legend: T frames, C channels, H W pixels, T frames asked for.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import signal
import tempfile
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vclr_pl.video.clean_process import CleanProcess, ProcessEndedError
from vclr_pl.video.process_server import MessageSocket
from vclr_pl.video.protocol import VideoDecoder, VideoReader, VideoReadError, listen

_FIRST_BYTES = 1 << 22  # grows to what the largest answer needs


class SharedFrames:
    """Bytes that both see: a file without a name, mapped by each at the size it has.

    Args:
        descriptor: of the file, in the child; None makes one.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _nameless_file() if descriptor is None else descriptor
        weakref.finalize(self, os.close, self.descriptor)
        self._bytes = mmap.mmap(self.descriptor, _FIRST_BYTES)
        self._lent = False

    @property
    def lent(self) -> bool:
        """Whether a tensor of `lend` still lives, so that nothing may be written."""
        return self._lent

    def write(self, frames_TCHW: Tensor) -> tuple[int, ...]:
        """In the child: copies the frames, gives their shape [T, H, W, C]."""
        frames_THWC = frames_TCHW.permute(0, 2, 3, 1).numpy()
        np.copyto(self._array(tuple(frames_THWC.shape)), frames_THWC)
        return tuple(frames_THWC.shape)

    def copy(self, shape_THWC: tuple[int, ...]) -> Tensor:
        """In the parent: `[T, C, H, W]`, its own."""
        return torch.from_numpy(self._array(shape_THWC).copy()).permute(0, 3, 1, 2)

    def lend(self, shape_THWC: tuple[int, ...]) -> Tensor:
        """In the parent: `[T, C, H, W]` in this memory, which is `lent` until the tensor and all views of it are gone."""
        array = self._array(shape_THWC)
        self._lent = True
        weakref.finalize(array, self._returned).atexit = False
        return torch.from_numpy(array).permute(0, 3, 1, 2)

    def _returned(self) -> None:
        self._lent = False

    def _array(self, shape: tuple[int, ...]) -> np.ndarray:
        size = int(np.prod(shape))
        if size > len(self._bytes):
            if os.fstat(self.descriptor).st_size < size:
                os.ftruncate(self.descriptor, size)
            self._bytes = mmap.mmap(self.descriptor, size)
        return np.frombuffer(self._bytes, dtype=np.uint8, count=size).reshape(shape)


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("frames")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, _FIRST_BYTES)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


_PATIENCE_SECONDS = 1.0  # beyond the limit, for the parent to end the child


class ChildEndedError(Exception):
    """The child crashed or was ended because it did not answer in time; the text says which.

    `is_temporary`: the cause lies outside the video, or may (a time limit, a signal from outside), so that another try can succeed.
    """

    def __init__(self, reason: str, *, is_temporary: bool) -> None:
        super().__init__(reason)
        self.is_temporary = is_temporary


class NoChildError(ChildEndedError):
    """There is no process, or no memory to share with it; `number` is the system's for this, where it gives one."""

    def __init__(self, cause: str, *, number: int | None) -> None:
        super().__init__(f"no process to decode in ({cause})", is_temporary=True)
        self.cause, self.number = cause, number


class ChildProcess:
    """The parent's side. `timeout_seconds` is how long the child may give neither an answer nor a sign of life, its start apart.

    Raises:
        NoChildError: the machine lacks processes, files or memory.
        InputError: as `CleanProcess` does.
    """

    def __init__(self, decoder: VideoDecoder, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        work = functools.partial(_decode, decoder=decoder, timeout_seconds=timeout_seconds)
        try:
            self._memories = (SharedFrames(), SharedFrames())  # the first is lent, the second copied from while the first is lent
            self._process = CleanProcess(work, descriptors=[memory.descriptor for memory in self._memories])
        except ProcessEndedError as error:
            raise NoChildError(str(error), number=None) from error
        except OSError as error:
            raise NoChildError(error.strerror or str(error), number=error.errno) from error

    @property
    def number(self) -> int:
        """Of the process."""
        return self._process.number

    def is_ours_and_alive(self) -> bool:
        """Asks the system, so that a child that died while it waited (of memory, say) is not laid to the next video's charge."""
        return self._process.is_ours_and_alive

    def ask(self, request: str, key: int, argument: Any) -> Any:
        """The decoder's count for "open", frames uint8 `[T, C, H, W]` for "frames". Raises what it raises, and ChildEndedError."""
        place = 1 if self._memories[0].lent else 0
        outcome, answer = self._exchange((request, key, argument, place))
        if outcome == "error":
            raise answer
        if request != "frames":
            return answer
        return self._memories[1].copy(answer) if place else self._memories[0].lend(answer)

    def tell(self, request: str, key: int) -> None:
        """Without an answer; a child that is dead by now is found out by the next question."""
        with contextlib.suppress(OSError):
            self._process.send((request, key, None, 0))

    def _exchange(self, message: tuple[str, int, Any, int]) -> Any:
        try:
            self._process.send(message)
            return self._process.receive(timeout_seconds=self._timeout_seconds)
        except ProcessEndedError as error:
            raise ChildEndedError(f"the decoder crashed ({error})", is_temporary=error.from_outside) from error
        except TimeoutError:
            self._process.end()
        except BaseException:
            self._process.end()  # interrupted: its answer must not be taken for the next question's
            raise
        raise ChildEndedError(f"no answer within {self._timeout_seconds:g} s (decode_timeout_seconds)", is_temporary=True)


def _decode(connection: MessageSocket, descriptors: list[int], *, decoder: VideoDecoder, timeout_seconds: float) -> None:
    """The child's life."""
    memories = [SharedFrames(descriptor) for descriptor in descriptors]
    _Service(decoder, connection, memories, timeout_seconds=timeout_seconds).run()


class _Service:
    """The child's side."""

    def __init__(
        self, decoder: VideoDecoder, connection: MessageSocket, memories: Sequence[SharedFrames], *, timeout_seconds: float
    ) -> None:
        self._decoder, self._connection, self._memories, self._timeout_seconds = decoder, connection, memories, timeout_seconds
        self._readers: dict[int, VideoReader] = {}
        listen(self._limits_begin_anew)

    def run(self) -> None:
        """Until the parent's end closes, which raises ConnectionResetError."""
        while True:
            request, key, argument, place = self._connection.receive(timeout_seconds=None)
            if request == "close":
                if key in self._readers:
                    self._readers.pop(key).close()
                continue
            # The parent and the server may be gone by then: the kernel ends a child that hangs, with nobody's help.
            signal.setitimer(signal.ITIMER_REAL, self._timeout_seconds + _PATIENCE_SECONDS)
            answer = self._answer(request, key, argument, self._memories[place])
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._connection.send(answer)

    def _limits_begin_anew(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._timeout_seconds + _PATIENCE_SECONDS)
        self._connection.send_sign()

    def _answer(self, request: str, key: int, argument: Any, memory: SharedFrames) -> tuple[str, Any]:
        try:
            if request == "open":
                self._readers[key] = self._decoder.open(argument)
                return "done", self._readers[key].frame_count
            return "done", memory.write(self._readers[key].frames(argument))
        except (VideoReadError, IndexError) as error:
            return "error", error
        except Exception as error:  # whatever else it is, it is this video's, and the child lives on
            path = str(getattr(self._readers.get(key), "path", argument))
            reason, is_temporary = f"{type(error).__name__}: {error}", isinstance(error, MemoryError | OSError)
            return "error", VideoReadError(path, self._decoder.backend_of(path), reason, is_temporary)
