"""The processes of a run end together: each keeps a connection to the first, and the system closes it when a process dies.

A rank that fails alone leaves the others in a collective, for half an hour by torch's own limit, and on a GPU for ever. The connection does
not depend on the backend, on how the ranks were started, or on a process that still answers.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from vclr_pl.stop import Stopped, request_stop, stop_by

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0  # for the main thread to end by itself: its collective fails, and it closes its files
ARRIVAL_SECONDS = 2.0  # a collective may fail before the word that says why has arrived
# After that, for its last word, once it has left the others: a failure says its line, a stop may ask SLURM twice for up to a minute.
LAST_WORD_SECONDS, LAST_WORD_SECONDS_OF_A_STOP = 10.0, 130.0
CHILDREN_SECONDS = 3.0  # for the processes that this one has started, whose patience ends when its own does
BETWEEN_LOOKS_SECONDS = 0.5
CONNECT_SECONDS = 60.0
# A machine without power or network sends no end: the system asks it after 5 s, and gives up after three questions.
KEEP_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3}
UNEXPECTED_EXIT_CODE = 1
PARENT = "VCLR_PL_PARENT"  # the process that has started this one as a further rank


@dataclass(frozen=True)
class Failure:
    """The end of a rank before the run's end, with its exit code. `line`: what it says itself; empty where it was killed."""

    rank: int
    code: int
    line: str = ""

    def __str__(self) -> str:
        return f"rank {self.rank} failed: {self.line}" if self.line else f"rank {self.rank} was ended from outside, or crashed"

    @property
    def stopped(self) -> Stopped | None:
        """The stop on request by which the rank ended; None for a failure."""
        return stop_by(self.code)


class _Circle:
    """The connections of one run. Threads watch them; the main thread asks for `failure`."""

    def __init__(self, *, rank: int) -> None:
        self.rank, self.known, self.left = rank, threading.Event(), False
        self.over = threading.Event()  # the process goes on without the run
        self.one_at_a_time = threading.Lock()  # the main thread and the timer end the children
        self.last_word: Callable[[Failure], int] = lambda failure: failure.code
        self.failure: Failure | None = None
        self.connections: dict[socket.socket, int] = {}  # to rank 0, or of rank 0 to the others
        self.children: Sequence[subprocess.Popen[bytes]] = ()

    def join(self, *, host: str, port: int, token: str) -> None:
        connection = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
        connection.settimeout(None)
        _keep_alive(connection)
        _send(connection, {"rank": self.rank, "token": token})
        self.connections = {connection: 0}

    def accept(self, listener: socket.socket, *, ranks: int, token: str) -> None:
        listener.settimeout(CONNECT_SECONDS)
        with listener:
            while len(self.connections) < ranks - 1:
                connection, _ = listener.accept()
                connection.settimeout(CONNECT_SECONDS)
                greeting = _message(connection) or {}
                connection.settimeout(None)
                if greeting.get("token") == token:
                    _keep_alive(connection)
                    self.connections[connection] = int(greeting["rank"])
                else:  # another program
                    connection.close()

    def watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            for connection in self.connections:
                selector.register(connection, selectors.EVENT_READ)
            while selector.get_map() and not self.left:
                for key, _ in selector.select(timeout=BETWEEN_LOOKS_SECONDS):
                    other = cast(socket.socket, key.fileobj)
                    message = _message(other)
                    selector.unregister(other)
                    if message is None:
                        self.learn(Failure(self.connections[other], UNEXPECTED_EXIT_CODE))
                    elif "bye" not in message:
                        self.learn(Failure(**message))

    def look_at_children(self) -> None:
        """Learn of a process that fails before it has connected."""
        while not self.left and any(process.poll() is None for process in self.children):
            time.sleep(BETWEEN_LOOKS_SECONDS)
        for local_rank, process in enumerate(self.children, 1):
            if process.returncode:
                time.sleep(BETWEEN_LOOKS_SECONDS)  # its own word comes first
                self.learn(Failure(local_rank, max(process.returncode, UNEXPECTED_EXIT_CODE)))

    def learn(self, failure: Failure) -> None:
        if self.failure is not None or self.left:
            return
        self.failure = failure
        for connection, rank in self.connections.items():
            if self.rank == 0 and rank != failure.rank:
                _send(connection, asdict(failure))
        self.known.set()
        request_stop()  # of work that waits for no other rank
        threading.Thread(target=self.end_at_last, args=(failure,), daemon=True, name="end").start()

    def end_at_last(self, failure: Failure) -> None:
        """End a process whose main thread waits in a collective, or takes long to end."""
        self.over.wait(PATIENCE_SECONDS)
        if self.left:  # the main thread waits for the children, and has its last word after them
            self.end_children(patience_seconds=CHILDREN_SECONDS)
            self.over.wait(LAST_WORD_SECONDS if failure.stopped is None else LAST_WORD_SECONDS_OF_A_STOP)
        if self.over.is_set():
            return
        code = self.last_word(failure)
        self.end_children(patience_seconds=CHILDREN_SECONDS)
        os._exit(code)

    def end_children(self, *, patience_seconds: float) -> None:
        """Let the processes that this one has started end; kill those that do not, and say for them why the run has failed."""
        with self.one_at_a_time:
            until, killed = time.monotonic() + patience_seconds, False
            for process in self.children:
                try:
                    process.wait(max(0.0, until - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    killed = True
            failure, self.children = self.failure, ()
        if killed and failure is not None and failure.rank != self.rank and failure.line and failure.stopped is None:
            _say(failure)

    def leave(self) -> None:
        self.left = True
        for connection in self.connections:
            _send(connection, {"bye": self.rank})
            connection.close()
        if self.failure is not None:
            self.end_children(patience_seconds=PATIENCE_SECONDS + CHILDREN_SECONDS)


_circle = _Circle(rank=0)
_own_rank: int | None = None  # in the present run, or the last one


def connect(
    *, rank: int, ranks: int, host: str, broadcast: Callable[[tuple[int, str]], tuple[int, str]], last_word: Callable[[Failure], int]
) -> None:
    """All ranks together, once their process group is there; later calls do nothing.

    Args:
        host: where rank 0 runs.
        broadcast: sends an object from rank 0 to all ranks.
        last_word: reports the failure of another rank in place of a main thread that waits in a collective; returns the exit code.
    """
    if _circle.connections or ranks == 1:
        return
    global _own_rank
    _own_rank = _circle.rank = rank
    _circle.last_word = last_word
    listener = None if rank else _listener()
    own = (0, "") if listener is None else (listener.getsockname()[1], secrets.token_hex(16))
    port, token = broadcast(own)
    try:
        _circle.join(host=host, port=port, token=token) if listener is None else _circle.accept(listener, ranks=ranks, token=token)
    except OSError as error:
        logger.warning(
            "rank %d is not connected to port %d of %s (%s): a failing rank may leave the others waiting", rank, port, host, error
        )
    threading.Thread(target=_circle.watch, daemon=True, name="ranks").start()


def watch_children(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """On the rank that has started the others of its machine."""
    _circle.children = processes
    threading.Thread(target=_circle.look_at_children, daemon=True, name="children").start()


def watch_parent() -> None:
    """On a rank that another one has started: stop if that one ends before the ranks are connected."""
    if parent := os.environ.pop(PARENT, None):
        threading.Thread(target=_look_at_parent, args=(int(parent),), daemon=True, name="parent").start()


def _look_at_parent(process: int) -> None:
    while not _circle.connections:
        if os.getppid() != process:
            os.kill(os.getpid(), signal.SIGTERM)  # which ends a rank at once that waits for the others
            return
        time.sleep(BETWEEN_LOOKS_SECONDS)


def failure_of_another() -> Failure | None:
    """The failure of another rank, from which an error of this one follows; None without one. Waits a moment for its word."""
    if _circle.connections:
        _circle.known.wait(ARRIVAL_SECONDS)
    found = _circle.failure
    return found if found is not None and found.rank != _circle.rank else None


def tell(*, code: int, line: str) -> None:
    """This rank ends before the run does: the others end too. Nothing after the failure of another rank, which comes first."""
    if _circle.connections and failure_of_another() is None:
        failure = Failure(_circle.rank, code, line)
        if _circle.rank:
            _send(next(iter(_circle.connections)), asdict(failure))
        _circle.learn(failure)


def report(failure: Failure, *, own_rank: int) -> None:
    """Say it once, where the rank has not said it itself: it was killed, or its main thread does not end."""
    if failure.rank == _own_rank if failure.line else own_rank == 0:
        _say(failure)


def leave() -> threading.Event:
    """The run has ended on this rank. After a failure this process is ended too, some seconds later, unless the event is set."""
    global _circle
    left, _circle = _circle, _Circle(rank=0)
    left.leave()
    return left.over


def _say(failure: Failure) -> None:
    print(f"error: {failure}; the other processes end with it", file=sys.stderr, flush=True)


def _forget() -> None:
    """In a fork, such as a loader's worker, which must not keep the connections open."""
    for connection in _circle.connections:
        connection.close()
    _circle.connections = {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _listener() -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _send(connection: socket.socket, message: object) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(f"{json.dumps(message)}\n".encode())


def _message(connection: socket.socket) -> dict[str, Any] | None:
    """The next line; None at the end of the connection."""
    line = b""
    with contextlib.suppress(OSError):
        while not line.endswith(b"\n") and (byte := connection.recv(1)):
            line += byte
    with contextlib.suppress(ValueError):  # the word of another program
        return dict(json.loads(line)) if line.endswith(b"\n") else None
    return {"bye": None}
