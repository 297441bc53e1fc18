"""The server that forks clean processes, and its messages.

Decoders are not forked from the training process, since a fork copies only one thread: the child would then wait for torch's OpenMP
threads forever (as torchcodec does for widths of 426 and 340 pixels). The server has one thread, and imports the decoders
once, so that a fork takes some milliseconds and shares their memory.
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

from vclr_pl.stop import SIGNALS

ASK = b"f"  # fork one process; the byte is sent with the descriptors of its connection and its files
LIFE = b"l"  # sent once, with a pipe whose other end is open only in the process that started the server
MOST_FILES = 8
WORKS = ("vclr_pl.video.child_process", "vclr_pl.video.readability", "vclr_pl.data.prepare")  # modules run by forked processes
READY, UNFIT, ENDED, NOT_FORKED = "ready", "unfit", "ended", "not forked"  # first messages; the server sends the last two


@dataclass(frozen=True)
class Beginning:
    """The first message to a process. `work` is a pickled function of a Connection and the descriptors of the files."""

    folder: str | None  # the client's working directory
    import_path: list[str]
    work: bytes


def serve() -> None:
    """Fork on request until the starting process, or every process with the other end of standard input, has ended; then end all forks."""
    _close_all_but_standard_files()
    for number in SIGNALS:  # Ctrl-C, torchrun and SLURM signal the whole group; the client decides
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # they were blocked until now
    faulthandler.disable()
    _leave_no_core_files()
    _import_what_decoding_needs()
    gc.collect()
    gc.freeze()  # a garbage collection in a forked process would copy all memory
    _Server(socket.socket(fileno=os.dup(0))).run()
    os._exit(0)  # immediately: unloading torch would take seconds


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._clients: dict[int, Connection] = {}  # by process: this end of the connection to its client
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
            descriptor, _ = self._poll.poll()[0]  # one event at a time: handling it may close or reuse a descriptor of a later event
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
        request, descriptors, _, _ = socket.recv_fds(self._control, len(ASK), 1 + MOST_FILES)
        if request == ASK and descriptors:
            self._fork(Connection(descriptors[0]), descriptors[1:])
            for file in descriptors[1:]:
                os.close(file)
        elif request == LIFE and descriptors:
            self._life = descriptors[0]
            self._poll.register(self._life, select.POLLIN)
        return bool(request)

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
        self._poll.register(connection, 0)  # only waits until the client closes its end

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
        """Kill a process whose client has closed the socket or died."""
        self._poll.unregister(descriptor)
        for process, connection in self._clients.items():
            if connection.fileno() == descriptor:
                os.kill(process, signal.SIGKILL)  # not reaped yet, so the process id is still valid

    def _kill_all(self) -> None:
        for process in self._clients:
            os.kill(process, signal.SIGKILL)

    def _live(self, connection: Connection, files: list[int]) -> NoReturn:
        """Run in the new process, which ends here."""
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
        except (EOFError, ConnectionError):  # the client has ended
            os._exit(0)
        finally:
            os._exit(1)


def _work(connection: Connection, files: list[int]) -> None:
    beginning = connection.recv()
    with contextlib.suppress(OSError):  # the folder was removed
        os.chdir(beginning.folder or os.curdir)
    sys.path[:] = beginning.import_path
    try:
        work = pickle.loads(beginning.work)
    except Exception as error:  # imported modules may raise any exception
        connection.send((UNFIT, f"{type(error).__name__}: {error}"))
        return
    connection.send((READY, os.getpid()))
    work(connection, files)


def _tell(connection: Connection, message: tuple[str, Any]) -> None:
    """Send the last message of a connection."""
    os.set_blocking(connection.fileno(), False)
    with contextlib.suppress(OSError):  # the client has ended, or does not read and thus does not wait
        connection.send(message)


def _close_all_but_standard_files() -> None:
    """Close descriptors inherited from the client's C libraries. Otherwise a port on which it listens would stay in use."""
    for descriptor in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        if descriptor > 2:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _leave_no_core_files() -> None:
    import resource  # absent on Windows, where this code is never reached

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _import_what_decoding_needs() -> None:
    """Import once, and not in each forked process."""
    # Imported here, because clients import this module without needing these packages.
    from vclr_pl.video.torchcodec import torchcodec_failure

    for name in WORKS:
        importlib.import_module(name)
    if torchcodec_failure() is None:
        importlib.import_module("torchcodec.transforms")
