"""Processes forked from a clean server, and the errors if the machine cannot start any.

This process starts a server (`process_server`) once, which forks them; forks of this process, such as a loader's workers, share
it. The program's main module is not run again. The server and its forks end with the process that started it, even after
SIGKILL.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from vclr_pl.stop import SIGNALS
from vclr_pl.types import InputError
from vclr_pl.video.process_server import ASK, ENDED, LIFE, NOT_FORKED, READY, UNFIT, Beginning

FEWER = "use fewer decoding processes"
HINTS = {
    errno.EMFILE: f"Raise the limit with `ulimit -n`, or {FEWER}.",
    errno.EFBIG: "Raise the limit with `ulimit -f`.",
    errno.ENOSPC: "Free some space in the folder for temporary files.",
}


def shortage(cause: str, *, number: int | None) -> InputError:
    """The error for the user; `number` is the errno of `cause`, if there is one."""
    other = f"Free some memory, or {FEWER}."
    return InputError(
        expected="a process for decoding, and shared memory",
        got=cause,
        hint=other if number is None else HINTS.get(number, other),
    )


START_SECONDS = 300.0  # importing from a sleeping file system may take minutes
_PROGRAM = "from vclr_pl.video.process_server import serve; serve()"
_TRIES = 2  # a killed server is replaced
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Signals of a crashing decoder. Other signals, and the end of the server, have external causes: too little memory, or a user.
_CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGABRT", "SIGILL", "SIGTRAP", "SIGSYS")

Work = Callable[[Connection, list[int]], None]


class ProcessEndedError(Exception):
    """The process is dead. `from_outside`: by an external cause, not by a crash."""

    def __init__(self, cause: str, *, from_outside: bool) -> None:
        super().__init__(cause)
        self.from_outside = from_outside


def can_start() -> bool:
    """False on Windows, which cannot fork, and in a program that embeds Python without an interpreter."""
    return hasattr(os, "fork") and bool(sys.executable)


class CleanProcess:
    """Runs `work(connection, descriptors)` with the other end of `send` and `receive`, and copies of the file `descriptors`.

    `work` is pickled, and its modules are imported in the new process. The process ends with this object.

    Raises:
        InputError: the new process cannot import `work`, or Python does not start.
        ProcessEndedError: the process died at once, or the system does not fork.
    """

    def __init__(self, work: Work, *, descriptors: Sequence[int]) -> None:
        self._owner = os.getpid()
        self._connection, (kind, content) = _begin(work, descriptors)
        self._finalizer = weakref.finalize(self, _shut, self._connection, self._owner)
        if kind == READY:
            self.number: int = content
        elif kind == UNFIT:
            raise _cannot_import(content)
        else:
            raise _death(content) if kind == ENDED else ProcessEndedError(content, from_outside=True)

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def is_ours_and_alive(self) -> bool:
        """Valid between a `receive` and the next `send`. False for an object inherited through a fork: it belongs to its creator."""
        return self._owner == os.getpid() and self._finalizer.alive and not self.has_message

    @property
    def has_message(self) -> bool:
        """True if `receive` returns or raises ProcessEndedError at once."""
        return self._connection.poll()

    def send(self, message: object) -> None:
        """Send a message. Raises OSError after `end`. If the process is dead, the next `receive` raises."""
        with contextlib.suppress(BrokenPipeError):
            self._connection.send(message)

    def receive(self, *, timeout_seconds: float | None) -> Any:
        """The next message of the process; None is a sign of life. Raises TimeoutError, and ProcessEndedError if the process is dead."""
        if not self._connection.poll(timeout_seconds):
            raise TimeoutError
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            self.end()
            raise ProcessEndedError("its server was ended", from_outside=True) from None
        if message is not None and message[0] == ENDED:
            self.end()
            raise _death(message[1])
        return message

    def end(self) -> None:
        """Kill the process, whatever it is doing."""
        self._finalizer()


def start_server() -> None:
    """Start the server without waiting for its imports. Call it before a loader's workers are forked, so that they share the server."""
    if can_start():
        _server()


class _Server:
    """This process's end of the server, shared with its forks. A request for a process is one byte, so it needs no lock."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        atexit.register(self._control.close)  # else Python warns of an open socket
        self._words, speaking = os.pipe()  # Python's messages if it does not start
        for end in (self._words, speaking):  # nobody reads while it runs: excess output is dropped instead of blocking
            os.set_blocking(end, False)
        path = os.pathsep.join(_import_path())
        self._owner = os.getpid()
        self._process = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-X", f"utf8={sys.flags.utf8_mode}", "-c", _PROGRAM],
            {**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
            file_actions=[(os.POSIX_SPAWN_DUP2, file, target) for target, file in enumerate((theirs.fileno(), speaking, speaking))],
            setsigmask=SIGNALS,  # blocked until the server ignores them
        )
        theirs.close()
        os.close(speaking)
        watching, life = os.pipe()
        self._life: int | None = life
        with contextlib.suppress(ConnectionError):  # it did not start; the first request for a process reports that
            socket.send_fds(self._control, [LIFE], [watching])
        os.close(watching)

    def leave_to_owner(self) -> None:
        """In a fork of the owner: requests still work, but the fork does not keep the server alive."""
        if self._life is not None:
            os.close(self._life)
            self._life = None

    def fork(self, theirs: Connection, files: Sequence[int]) -> None:
        """Request a process with `theirs` and `files`. Raises ConnectionError if the server has ended."""
        socket.send_fds(self._control, [ASK], [theirs.fileno(), *files])

    def last_words(self) -> str:
        """The last line of output of a server that has ended; call it once."""
        self._control.close()
        self.leave_to_owner()
        if self._owner == os.getpid():
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        try:
            lines = os.read(self._words, 1 << 16).decode(errors="backslashreplace").strip().splitlines()
        except OSError:
            lines = []
        os.close(self._words)
        return lines[-1] if lines else "no message"


_current: _Server | None = None
_starting = threading.Lock()


def _after_fork() -> None:
    _starting.release()
    if _current is not None:
        _current.leave_to_owner()


if hasattr(os, "register_at_fork"):  # no fork during the start of a server
    os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_after_fork)


def _server() -> _Server:
    global _current
    with _starting:
        if _current is None:
            _current = _Server()
        return _current


def _forget(server: _Server) -> str:
    """Drop this server, so that the next process comes from a new one. Return its last line of output."""
    global _current
    with _starting:
        if _current is not server:
            return "no message"  # another thread was first
        _current = None
        return server.last_words()


def _begin(work: Work, descriptors: Sequence[int]) -> tuple[Connection, tuple[str, Any]]:
    """The connection to a new process, and its first message or the server's."""
    try:
        content = pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise _cannot_import(str(error)) from None
    beginning = Beginning(folder=_working_folder(), import_path=_import_path(), work=content)
    message = ""
    for _ in range(_TRIES):
        server = _server()
        ours, theirs = multiprocessing.Pipe()
        try:
            with theirs:
                server.fork(theirs, descriptors)
            ours.send(beginning)
            if ours.poll(START_SECONDS):
                return ours, ours.recv()
            return ours, (NOT_FORKED, f"no process within {START_SECONDS:g} s")
        except (EOFError, ConnectionError):
            ours.close()
            _end_with_the_parent()
            message = _forget(server)
    raise InputError(
        expected=f"'{sys.executable}' to start and import vclr_pl, for decoding processes",
        got=message,
        hint="Correct the installation or the environment variables.",
    )


def _end_with_the_parent() -> None:
    """End a loader's worker whose parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _import_path() -> list[str]:
    return [entry for entry in sys.path if isinstance(entry, str)]


def _working_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return None


def _shut(connection: Connection, owner: int) -> None:
    """End the connection for all forks that inherited it; the server then kills the process. Does nothing in such a fork."""
    if os.getpid() == owner:
        end = socket.socket(fileno=connection.fileno())
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.detach()
        connection.close()


def _death(status: int) -> ProcessEndedError:
    if not os.WIFSIGNALED(status):
        return ProcessEndedError(f"exit status {os.WEXITSTATUS(status)}", from_outside=False)
    name = signal.Signals(os.WTERMSIG(status)).name
    return ProcessEndedError(name, from_outside=name not in _CRASHES)


def _cannot_import(reason: str) -> InputError:
    return InputError(
        expected="a decoder that a new process can import",
        got=reason,
        hint="Define its class in a separate module, not in the running script or notebook.",
    )
