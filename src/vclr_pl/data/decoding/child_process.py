"""A forked child that opens videos and reads frames when asked, and hands them over in memory that both sides share.

Legend: T frames asked for, C channels, H W pixels.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import stat
import threading
import time
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vclr_pl.data.decoding.message_socket import MessageSocket
from vclr_pl.data.decoding.protocol import VideoDecoder, VideoReader, VideoReadError
from vclr_pl.data.decoding.shared_frames import SharedFrames
from vclr_pl.data.decoding.sign_of_life import listen

_FORKING = threading.Lock()  # `catch_warnings` changes what all threads share
_PATIENCE_SECONDS = 1.0  # for a child to end by itself


class ChildEndedError(Exception):
    """The child crashed or was ended because it did not answer in time; the text says which."""


class ChildProcess:
    """The parent's side. `timeout_seconds` is how long the child may give neither an answer nor a sign of life."""

    def __init__(self, decoder: VideoDecoder, *, timeout_seconds: float) -> None:
        self._timeout_seconds, self._owner = timeout_seconds, os.getpid()
        self._memories = (SharedFrames(), SharedFrames())  # the first is lent, the second copied from while the first is lent
        self._connection, theirs = MessageSocket.pair()
        with _FORKING, warnings.catch_warnings():
            # Python 3.12 warns that locks held by other threads stay locked in the child. It takes none: it decodes and copies.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = os.fork()
        if self._process == 0:
            _live(_Service(decoder, theirs, self._memories, timeout_seconds=timeout_seconds))
        theirs.close()
        self._alive = True
        self._finalizer = weakref.finalize(self, _end, self._process, self._connection, self._owner)

    def is_ours_and_alive(self) -> bool:
        """Asks the system, so that a child that died while it waited (of memory, say) is not laid to the next video's charge."""
        if self._alive and self._owner == os.getpid() and os.waitpid(self._process, os.WNOHANG)[0]:
            self._alive = False
            self._finalizer.detach()
            self._connection.close()
        return self._alive and self._owner == os.getpid()

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
        with contextlib.suppress(ConnectionError):
            self._connection.send((request, key, None, 0))

    def _exchange(self, message: tuple[str, int, Any, int]) -> Any:
        try:
            self._connection.send(message)
            return self._connection.receive(timeout_seconds=self._timeout_seconds)
        except ConnectionError as error:
            raise ChildEndedError(f"the decoder crashed ({cause_of_death(self._end())})") from error
        except TimeoutError:
            pass
        except BaseException:
            self._end()  # interrupted: its answer must not be taken for the next question's
            raise
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        self._end()
        raise ChildEndedError(f"no answer within {self._timeout_seconds:g} s (decode_timeout_seconds)")

    def _end(self) -> int:
        self._alive = False
        self._finalizer.detach()
        return _end(self._process, self._connection, self._owner)


def _end(process: int, connection: MessageSocket, owner: int) -> int:
    """Ends the child and gives its wait status. A process that inherited the object through a fork leaves the child alone."""
    if os.getpid() != owner:
        return 0
    connection.close()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        # One that crashed has already ended, or is about to; one that waits ends with the pipe; one that hangs is killed.
        while time.monotonic() < deadline:
            finished, status = os.waitpid(process, os.WNOHANG)
            if finished:
                return status
            time.sleep(0.001)
        os.kill(process, signal.SIGKILL)
        return os.waitpid(process, 0)[1]
    return 0


def cause_of_death(status: int) -> str:
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit status {os.WEXITSTATUS(status)}"


class _Service:
    """The child's side."""

    def __init__(
        self, decoder: VideoDecoder, connection: MessageSocket, memories: Sequence[SharedFrames], *, timeout_seconds: float
    ) -> None:
        self._decoder, self._connection, self._memories, self._timeout_seconds = decoder, connection, memories, timeout_seconds
        self._readers: dict[int, VideoReader] = {}
        listen(self._limits_begin_anew)

    @property
    def descriptor(self) -> int:
        return self._connection.descriptor

    def run(self) -> None:
        """Until the parent's end closes, which raises ConnectionResetError."""
        while True:
            request, key, argument, place = self._connection.receive(timeout_seconds=None)
            if request == "close":
                if key in self._readers:
                    self._readers.pop(key).close()
                continue
            # The parent may be gone by then: the kernel ends a child that hangs, with nobody's help.
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
            return "error", VideoReadError(path, self._decoder.backend_of(path), f"{type(error).__name__}: {error}")


def _live(service: _Service) -> None:
    """Ends the process, and never returns into the parent's code."""
    try:
        gc.freeze()  # what the parent left for its collector is not this process's to free: FFmpeg would wait for threads that are not here
        leave_the_parents_ways()
        leave_the_parents_pipes(own=service.descriptor)
        service.run()
    except ConnectionError:
        os._exit(0)
    finally:
        os._exit(1)


def leave_the_parents_ways() -> None:
    """No handlers, no core file, no words on the terminal: the parent tells what became of the child."""
    for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGABRT", "SIGILL", "SIGTERM", "SIGCHLD", "SIGALRM"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    faulthandler.disable()
    _leave_no_core_file()
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    os.dup2(silence, 2)


def _leave_no_core_file() -> None:
    import resource  # absent on Windows, where nothing forks and this is never reached

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def leave_the_parents_pipes(*, own: int) -> None:
    """A pipe is closed when its last holder closes it: neither a sibling's end nor a loader's shall wait for this process.

    The numbers stay taken, by /dev/null, because objects that were inherited still hold them and may close them later.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        if descriptor > 2 and descriptor not in (own, nothing):
            with contextlib.suppress(OSError):
                kind = os.fstat(descriptor).st_mode
                if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
                    os.dup2(nothing, descriptor)
