"""A child process that decodes, and the shared memory in which it returns frames.

Legend: T requested frames, C channels, H W pixels.
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
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vclr_pl.video.clean_process import CleanProcess, ProcessEndedError
from vclr_pl.video.protocol import VideoDecoder, VideoReader, VideoReadError, listen

_FIRST_BYTES = 1 << 22  # grows with the largest response


class SharedFrames:
    """Memory shared by parent and child: an anonymous file mapped by both.

    Args:
        descriptor: file descriptor, in the child; None creates a file.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _nameless_file() if descriptor is None else descriptor
        weakref.finalize(self, os.close, self.descriptor)
        self._bytes = mmap.mmap(self.descriptor, _FIRST_BYTES)
        self._lent = False

    @property
    def lent(self) -> bool:
        """True while a tensor of `lend` is in use; the memory must not be written then."""
        return self._lent

    def write(self, frames_TCHW: Tensor) -> tuple[int, ...]:
        """In the child: copy the frames into the memory; return their shape [T, H, W, C]."""
        frames_THWC = frames_TCHW.permute(0, 2, 3, 1).numpy()
        np.copyto(self._array(tuple(frames_THWC.shape)), frames_THWC)
        return tuple(frames_THWC.shape)

    def copy(self, shape_THWC: tuple[int, ...]) -> Tensor:
        """In the parent: a copy `[T, C, H, W]`."""
        return torch.from_numpy(self._array(shape_THWC).copy()).permute(0, 3, 1, 2)

    def lend(self, shape_THWC: tuple[int, ...]) -> Tensor:
        """In the parent: a view `[T, C, H, W]` of this memory, which is `lent` until the tensor and its views are freed."""
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


_PATIENCE_SECONDS = 1.0  # difference between the child's own time limit and the parent's


class ChildEndedError(Exception):
    """The child crashed, or was killed after a timeout; the message gives the cause.

    `is_temporary`: the cause may be outside the video (a time limit, an external signal), so a retry can succeed.
    """

    def __init__(self, reason: str, *, is_temporary: bool) -> None:
        super().__init__(reason)
        self.is_temporary = is_temporary


class NoChildError(ChildEndedError):
    """The machine has no free process or shared memory. `number` is the errno, if there is one."""

    def __init__(self, cause: str, *, number: int | None) -> None:
        super().__init__(f"no process for decoding ({cause})", is_temporary=True)
        self.cause, self.number = cause, number


class ChildProcess:
    """The parent's side. The child is killed after `timeout_seconds` without a response or a sign of life; its start is not limited.

    Raises:
        NoChildError: the machine has no free process, file descriptor or memory.
        InputError: as `CleanProcess` does.
    """

    def __init__(self, decoder: VideoDecoder, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        work = functools.partial(_decode, decoder=decoder, timeout_seconds=timeout_seconds)
        try:
            self._memories = (SharedFrames(), SharedFrames())  # the first is lent; while it is in use, frames are copied from the second
            self._process = CleanProcess(work, descriptors=[memory.descriptor for memory in self._memories])
        except ProcessEndedError as error:
            raise NoChildError(str(error), number=None) from error
        except OSError as error:
            raise NoChildError(error.strerror or str(error), number=error.errno) from error

    @property
    def number(self) -> int:
        """Process id."""
        return self._process.number

    def is_ours_and_alive(self) -> bool:
        """Check now, so that a child that died between two requests (out of memory, say) is not blamed on the next video."""
        return self._process.is_ours_and_alive

    def ask(self, request: str, key: int, argument: Any) -> Any:
        """The frame count for "open", frames uint8 `[T, C, H, W]` for "frames". Raises the errors of the decoder, and ChildEndedError."""
        memory = 1 if self._memories[0].lent else 0
        outcome, answer = self._exchange((request, key, argument, memory))
        if outcome == "error":
            raise answer
        if request != "frames":
            return answer
        return self._memories[1].copy(answer) if memory else self._memories[0].lend(answer)

    def tell(self, request: str, key: int) -> None:
        """Send a request without waiting for a response. The next `ask` raises if the child is dead."""
        with contextlib.suppress(OSError):
            self._process.send((request, key, None, 0))

    def _exchange(self, message: tuple[str, int, Any, int]) -> Any:
        try:
            self._process.send(message)
            while (answer := self._process.receive(timeout_seconds=self._timeout_seconds)) is None:
                pass  # a sign of life: the time limit starts anew
            return answer
        except ProcessEndedError as error:
            raise ChildEndedError(f"the decoder crashed ({error})", is_temporary=error.from_outside) from error
        except TimeoutError:
            self._process.end()
        except BaseException:
            self._process.end()  # interrupted: the response must not be read as that to the next request
            raise
        raise ChildEndedError(f"no answer within {self._timeout_seconds:g} s (decode_timeout_seconds)", is_temporary=True)


def _decode(connection: Connection, descriptors: list[int], *, decoder: VideoDecoder, timeout_seconds: float) -> None:
    """Entry point of the child."""
    memories = [SharedFrames(descriptor) for descriptor in descriptors]
    _Service(decoder, connection, memories, timeout_seconds=timeout_seconds).run()


class _Service:
    """The child's side."""

    def __init__(self, decoder: VideoDecoder, connection: Connection, memories: Sequence[SharedFrames], *, timeout_seconds: float) -> None:
        self._decoder, self._connection, self._memories, self._timeout_seconds = decoder, connection, memories, timeout_seconds
        self._readers: dict[int, VideoReader] = {}
        listen(self._restart_time_limits)

    def run(self) -> None:
        """Handle requests until the parent closes its end, which raises EOFError."""
        while True:
            request, key, argument, memory = self._connection.recv()
            if request == "close":
                if key in self._readers:
                    self._readers.pop(key).close()
                continue
            # The parent and the server may be gone by then: the timer kills a child that hangs without them.
            signal.setitimer(signal.ITIMER_REAL, self._timeout_seconds + _PATIENCE_SECONDS)
            answer = self._answer(request, key, argument, self._memories[memory])
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._connection.send(answer)

    def _restart_time_limits(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._timeout_seconds + _PATIENCE_SECONDS)
        self._connection.send(None)

    def _answer(self, request: str, key: int, argument: Any, memory: SharedFrames) -> tuple[str, Any]:
        try:
            if request == "open":
                self._readers[key] = self._decoder.open(argument)
                return "done", self._readers[key].frame_count
            return "done", memory.write(self._readers[key].frames(argument))
        except (VideoReadError, IndexError) as error:
            return "error", error
        except Exception as error:  # any other error is blamed on this video, and the child continues
            path = str(getattr(self._readers.get(key), "path", argument))
            reason, is_temporary = f"{type(error).__name__}: {error}", isinstance(error, MemoryError | OSError)
            return "error", VideoReadError(path, self._decoder.backend_of(path), reason, is_temporary)
