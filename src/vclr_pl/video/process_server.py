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
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

ASK = b"f"  # fork one process; the descriptors of its connection and of the files that it gets come with the byte
LIFE = b"l"  # sent once, with a pipe whose other end only the process that started the server holds
MOST_FILES = 8
WORKS = ("vclr_pl.video.child_process", "vclr_pl.video.readability", "vclr_pl.data.prepare")  # modules that processes run
READY, UNFIT, ENDED, NOT_FORKED = "ready", "unfit", "ended", "not forked"  # first messages; the last two are the server's


@dataclass(frozen=True)
class Beginning:
    """The first message to a process. `work` is a pickled function of a Connection and the descriptors of the files."""

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
        self._clients: dict[int, Connection] = {}  # by process: its own end of the connection to its client
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
        """False if no client is connected any more."""
        asked, descriptors, _, _ = socket.recv_fds(self._control, len(ASK), 1 + MOST_FILES)
        if asked == ASK and descriptors:
            self._fork(Connection(descriptors[0]), descriptors[1:])
            for file in descriptors[1:]:
                os.close(file)
        elif asked == LIFE and descriptors:
            self._life = descriptors[0]
            self._poll.register(self._life, select.POLLIN)
        return bool(asked)

    def _fork(self, connection: Connection, files: list[int]) -> None:
        try:
            process = os.fork()
        except OSError as error:
            _tell(connection, (NOT_FORKED, error.strerror))
            connection.close()
            return
        if process == 0:
            self._live(connection, files)
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

    def _live(self, connection: Connection, files: list[int]) -> NoReturn:
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
            _work(connection, files)
            os._exit(0)
        except (EOFError, ConnectionError):  # the client is gone
            os._exit(0)
        finally:
            os._exit(1)


def _work(connection: Connection, files: list[int]) -> None:
    beginning = connection.recv()
    with contextlib.suppress(OSError):  # a folder that is gone by now
        os.chdir(beginning.folder or os.curdir)
    sys.path[:] = beginning.import_path
    try:
        work = pickle.loads(beginning.work)
    except Exception as error:  # modules that are imported here may raise anything
        connection.send((UNFIT, f"{type(error).__name__}: {error}"))
        return
    connection.send((READY, os.getpid()))
    work(connection, files)


def _tell(connection: Connection, message: tuple[str, Any]) -> None:
    """The last message of a connection."""
    os.set_blocking(connection.fileno(), False)
    with contextlib.suppress(OSError):  # the client is gone, or does not read: then it does not wait either
        connection.send(message)


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
