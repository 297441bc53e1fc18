"""The server that forks clean processes, and its messages.

Decoders are not forked from the process that trains, since a fork copies one thread of many: OpenMP's others, which torch uses, are then
waited for without end (seen in torchcodec for widths of 426 and 340 pixels). Here there is one thread; what decoding needs is imported
once, so that a fork takes some milliseconds and shares that memory.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

_LENGTH_BYTES = 4
_CHUNK_BYTES = 1 << 16
_MOST_DESCRIPTORS = 8


class MessageSocket:
    """One end. What it raises when the other end is closed or its process gone is a ConnectionError."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = b""  # not yet taken: several messages may come at once
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)

    @classmethod
    def pair(cls) -> tuple[MessageSocket, MessageSocket]:
        one, other = socket.socketpair()
        return cls(one), cls(other)

    def fileno(self) -> int:
        return self._end.fileno()

    @property
    def has_news(self) -> bool:
        """Whether `receive` has something to give, or an end to tell, without waiting."""
        return bool(self._received) or bool(self._poll.poll(0))

    def send(self, message: object) -> None:
        self._end.sendall(framed(message))

    def send_with_descriptors(self, message: object, descriptors: Sequence[int]) -> None:
        """The other process gets file descriptors of its own, for the same files; it takes them with `receive_with_descriptors`."""
        content = framed(message)
        socket.send_fds(self._end, [content[:_LENGTH_BYTES]], list(descriptors))
        self._end.sendall(content[_LENGTH_BYTES:])

    def send_sign(self) -> None:
        """A sign of life, no message: the other end's time limit begins anew."""
        self._end.sendall(bytes(_LENGTH_BYTES))

    def receive(self, *, timeout_seconds: float | None) -> Any:
        """The next message. Raises TimeoutError where nothing comes, not even a sign, for `timeout_seconds`; None waits for ever."""
        self._end.settimeout(timeout_seconds)
        while not (length := int.from_bytes(self._take(_LENGTH_BYTES), "little")):
            pass  # a sign of life
        return pickle.loads(self._take(length))

    def receive_with_descriptors(self) -> tuple[Any, list[int]]:
        """A message that was sent so, as the first of all."""
        length, descriptors, _, _ = socket.recv_fds(self._end, _LENGTH_BYTES, _MOST_DESCRIPTORS)
        if len(length) < _LENGTH_BYTES:
            raise ConnectionResetError("the other end is closed")
        return pickle.loads(self._take(int.from_bytes(length, "little"))), descriptors

    def close(self) -> None:
        """Of this process; others that hold the same end keep it open."""
        self._end.close()

    def shut(self) -> None:
        """For every process that holds this end."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _take(self, length: int) -> bytes:
        while len(self._received) < length:
            content = self._end.recv(_CHUNK_BYTES)
            if not content:
                raise ConnectionResetError("the other end is closed")
            self._received += content
        taken, self._received = self._received[:length], self._received[length:]
        return taken


def framed(message: object) -> bytes:
    """As it goes through the socket."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return len(content).to_bytes(_LENGTH_BYTES, "little") + content


ASK = b"f"  # one process; the socket of its client comes with it
LIFE = b"l"  # sent once: a pipe whose other end only the process that started the server holds
WORKS = ("vclr_pl.video.child_process", "vclr_pl.video.readability", "vclr_pl.data.prepare")  # what processes do
READY, UNFIT, ENDED, NOT_FORKED = "ready", "unfit", "ended", "not forked"  # the first message of a process, and the server's words about it


@dataclass(frozen=True)
class Beginning:
    """The first message to a process. `work` is a pickled function of a MessageSocket and the descriptors that came along."""

    folder: str | None  # the client's working directory
    import_path: list[str]
    work: bytes


def serve() -> None:
    """Forks until the process that started it is gone, or all that hold the other end of standard input; ends with all that it forked."""
    _close_all_but_standard_files()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the client decides
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # SIGINT was blocked until now
    faulthandler.disable()
    _leave_no_core_files()
    _import_what_decoding_needs()
    gc.collect()
    gc.freeze()  # a collection in a forked process would copy all of it
    _Server(socket.socket(fileno=os.dup(0))).run()
    os._exit(0)  # at once: taking torch apart would take seconds, and there is nothing to keep


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._clients: dict[int, socket.socket] = {}  # by process: its own end of the socket to its client
        self._poll = select.poll()
        self._life: int | None = None
        self._bell, ringing = os.pipe()
        os.set_blocking(ringing, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(ringing, warn_on_full_buffer=False)
        self._ringing = ringing
        for descriptor in (control.fileno(), self._bell):
            self._poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        while True:
            descriptor, _ = self._poll.poll()[0]  # one at a time: what is done may close, or use again, a descriptor that stands behind it
            if descriptor == self._bell:
                os.read(self._bell, 4096)
                self._tell_of_the_ended()
            elif descriptor not in (self._control.fileno(), self._life):
                self._kill_client_gone(descriptor)
            elif descriptor == self._life or not self._do_asked():
                self._kill_all()
                return

    def _do_asked(self) -> bool:
        """False where nobody is left to ask."""
        asked, descriptors, _, _ = socket.recv_fds(self._control, len(ASK), 1)
        if asked == ASK and descriptors:
            self._fork(socket.socket(fileno=descriptors[0]))
        elif asked == LIFE and descriptors:
            self._life = descriptors[0]
            self._poll.register(self._life, select.POLLIN)
        return bool(asked)

    def _fork(self, connection: socket.socket) -> None:
        try:
            process = os.fork()
        except OSError as error:
            _tell(connection, (NOT_FORKED, error.strerror))
            connection.close()
            return
        if process == 0:
            self._live(connection)
        self._clients[process] = connection
        self._poll.register(connection, 0)  # the client's end closed is all that is of interest

    def _tell_of_the_ended(self) -> None:
        while self._clients:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            connection = self._clients.pop(process)
            with contextlib.suppress(KeyError):
                self._poll.unregister(connection)
            _tell(connection, (ENDED, status))
            connection.close()

    def _kill_client_gone(self, descriptor: int) -> None:
        """Its client has closed the socket, or died."""
        self._poll.unregister(descriptor)
        for process, connection in self._clients.items():
            if connection.fileno() == descriptor:
                os.kill(process, signal.SIGKILL)  # not waited for yet, so the number is its own

    def _kill_all(self) -> None:
        for process in self._clients:
            os.kill(process, signal.SIGKILL)

    def _live(self, connection: socket.socket) -> NoReturn:
        """In the new process, which ends here."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for sibling in self._clients.values():
                sibling.close()
            self._control.close()
            os.close(self._bell)
            os.close(self._ringing)
            silence = os.open(os.devnull, os.O_RDWR)
            for standard in range(3):
                os.dup2(silence, standard)
            os.close(silence)
            _work(MessageSocket(connection))
            os._exit(0)
        except ConnectionError:
            os._exit(0)
        finally:
            os._exit(1)


def _work(connection: MessageSocket) -> None:
    beginning, descriptors = connection.receive_with_descriptors()
    with contextlib.suppress(OSError):  # a folder that is gone by now
        os.chdir(beginning.folder or os.curdir)
    sys.path[:] = beginning.import_path
    try:
        work = pickle.loads(beginning.work)
    except Exception as error:  # modules that are imported here may raise anything
        connection.send((UNFIT, f"{type(error).__name__}: {error}"))
        return
    connection.send((READY, os.getpid()))
    work(connection, descriptors)


def _tell(connection: socket.socket, message: object) -> None:
    with contextlib.suppress(OSError):  # the client is gone, or does not read: it waits for nothing then
        connection.send(framed(message), socket.MSG_DONTWAIT)


def _close_all_but_standard_files() -> None:
    """What C libraries of the client opened and did not mark: a port that it listens on would stay taken."""
    for descriptor in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        if descriptor > 2:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _leave_no_core_files() -> None:
    import resource  # absent on Windows, where nothing forks and this is never reached

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _import_what_decoding_needs() -> None:
    """Once, and not in each process that is forked."""
    # Imported here, since whoever asks for processes imports this module and needs none of it.
    from vclr_pl.video.torchcodec import torchcodec_failure

    for name in WORKS:
        importlib.import_module(name)
    if torchcodec_failure() is None:
        importlib.import_module("torchcodec.transforms")
