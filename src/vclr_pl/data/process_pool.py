"""One process for each piece of work, a few at a time: a piece that crashes or falls silent costs itself and no more."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from vclr_pl.data.core_count import cores_at_hand
from vclr_pl.data.decoding.child_process import cause_of_death, leave_the_parents_pipes, leave_the_parents_ways
from vclr_pl.types import InputError

_BETWEEN_SIGNS_SECONDS = 0.2
_SIGN = ("sign", None)

Piece = TypeVar("Piece")
Result = TypeVar("Result")

SignOfLife = Callable[[], None]


def process_count(processes: int | None, *, key: str) -> int:
    """None stands for the cores at hand. Raises InputError below 1."""
    if processes is not None and processes < 1:
        raise InputError(expected=f"{key} of at least 1", got=str(processes), remedy=f"Set {key}=1 or more.")
    return cores_at_hand() if processes is None else processes


@dataclass
class _Running(Generic[Piece]):
    piece: Piece
    process: int
    heard_seconds: float


def each_in_a_process(
    pieces: Iterable[Piece],
    *,
    work: Callable[[Piece, SignOfLife], Result],
    failed: Callable[[Piece, str], Result],
    processes: int,
    silence_seconds: float,
) -> Iterator[Result]:
    """One result a piece, in the order in which they are done.

    Args:
        work: gets a piece and a function to call now and then, as a sign of life.
        failed: makes the result, here, of a piece whose process died, raised, or gave no sign of life for `silence_seconds`; it gets the
            reason in words.

    Closing the iterator ends the processes. Where the system cannot fork (Windows) the pieces are done here, one by one, unguarded.
    """
    if not hasattr(os, "fork"):
        yield from (work(piece, lambda: None) for piece in pieces)
        return
    waiting, running = iter(pieces), dict[Connection, _Running[Piece]]()
    try:
        while True:
            while len(running) < processes:
                try:
                    piece = next(waiting)
                except StopIteration:
                    break
                connection, process = _start(piece, work)
                running[connection] = _Running(piece, process, time.monotonic())
            if not running:
                return
            yield from _finished(running, failed=failed, silence_seconds=silence_seconds)
    finally:
        for connection, one in running.items():
            _end(connection, one.process)


def _finished(
    running: dict[Connection, _Running[Piece]], *, failed: Callable[[Piece, str], Result], silence_seconds: float
) -> Iterator[Result]:
    for ready in wait(list(running), timeout=_BETWEEN_SIGNS_SECONDS):
        assert isinstance(ready, Connection)
        kind, content = _message(ready)
        if kind == "sign":
            running[ready].heard_seconds = time.monotonic()
            continue
        one = running.pop(ready)
        status = _end(ready, one.process, patient=True)
        if kind == "result":
            yield content
        else:
            yield failed(one.piece, content if kind == "error" else f"the process crashed ({cause_of_death(status)})")
    silent = [connection for connection, one in running.items() if time.monotonic() - one.heard_seconds > silence_seconds]
    for connection in silent:
        one = running.pop(connection)
        _end(connection, one.process)
        yield failed(one.piece, f"no frame within {silence_seconds:g} s")


def _message(connection: Connection) -> tuple[str, Any]:
    try:
        kind, content = connection.recv()
    except (EOFError, OSError):
        return "death", None
    return kind, content


def _start(piece: Piece, work: Callable[[Piece, SignOfLife], Result]) -> tuple[Connection, int]:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with warnings.catch_warnings():
        # Python 3.12 warns that locks held by other threads (the progress bar's) stay locked in the child, which shows nothing.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        _live(piece, work, theirs)
    theirs.close()
    return ours, process


def _live(piece: Piece, work: Callable[[Piece, SignOfLife], Result], connection: Connection) -> None:
    """Ends the process, and never returns into the parent's code."""
    told_seconds = 0.0

    def sign_of_life() -> None:
        nonlocal told_seconds
        if time.monotonic() - told_seconds > _BETWEEN_SIGNS_SECONDS:
            connection.send(_SIGN)
            told_seconds = time.monotonic()

    try:
        leave_the_parents_ways()
        leave_the_parents_pipes(own=connection.fileno())
        try:
            answer: tuple[str, Any] = ("result", work(piece, sign_of_life))
        except Exception as error:
            answer = ("error", f"{type(error).__name__}: {error}")
        connection.send(answer)
        os._exit(0)
    finally:
        os._exit(1)


def _end(connection: Connection, process: int, *, patient: bool = False) -> int:
    """Ends the process and gives its wait status; a patient end lets one that closed its pipe leave by itself."""
    connection.close()
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        if not patient:
            os.kill(process, signal.SIGKILL)
        return os.waitpid(process, 0)[1]
    return 0
