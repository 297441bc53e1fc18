"""One process for each piece of work, a few at a time: a piece that crashes or falls silent costs itself and no more."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar, cast

from vclr_pl.data.core_count import cores_at_hand
from vclr_pl.data.decoding.clean_process import CleanProcess, ProcessEndedError, can_start
from vclr_pl.data.decoding.message_socket import MessageSocket
from vclr_pl.types import InputError

_BETWEEN_SIGNS_SECONDS = 0.2
_SIGN: tuple[str, Any] = ("sign", None)

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
        work: gets a piece and a function to call now and then, as a sign of life. It is pickled, as are pieces and results, and imported
            in a new process.
        failed: makes the result, here, of a piece whose process died, raised, or gave no sign of life for `silence_seconds`; it gets the
            reason in words.

    Closing the iterator ends the processes. Where the system cannot fork (Windows) the pieces are done here, one by one, unguarded.
    """
    if not can_start():
        yield from (work(piece, lambda: None) for piece in pieces)
        return
    waiting, running = iter(pieces), dict[CleanProcess, _Running[Piece]]()
    try:
        while True:
            while len(running) < processes:
                try:
                    piece = next(waiting)
                except StopIteration:
                    break
                try:
                    process = CleanProcess(functools.partial(_do, piece=piece, work=work), descriptors=())
                except ProcessEndedError as error:
                    yield failed(piece, f"no process to work in ({error})")
                    continue
                running[process] = _Running(piece, time.monotonic())
            if not running:
                return
            yield from _finished(running, failed=failed, silence_seconds=silence_seconds)
    finally:
        for process in running:
            process.end()


def _finished(
    running: dict[CleanProcess, _Running[Piece]], *, failed: Callable[[Piece, str], Result], silence_seconds: float
) -> Iterator[Result]:
    for process in cast(list[CleanProcess], wait(cast(Any, list(running)), timeout=_BETWEEN_SIGNS_SECONDS)):
        kind, content = _SIGN
        while kind == "sign" and process.has_news:
            kind, content = _message(process)
            running[process].heard_seconds = time.monotonic()
        if kind == "sign":
            continue
        one = running.pop(process)
        process.end()
        yield content if kind == "result" else failed(one.piece, str(content))
    silent = [process for process, one in running.items() if time.monotonic() - one.heard_seconds > silence_seconds]
    for process in silent:
        one = running.pop(process)
        process.end()
        yield failed(one.piece, f"no frame within {silence_seconds:g} s")


def _message(process: CleanProcess) -> tuple[str, Any]:
    try:
        kind, content = process.receive(timeout_seconds=None)
    except ProcessEndedError as error:
        return "error", f"the process crashed ({error})"
    return kind, content


def _do(connection: MessageSocket, descriptors: list[int], *, piece: Piece, work: Callable[[Piece, SignOfLife], Result]) -> None:
    """The process's life."""
    del descriptors
    told_seconds = 0.0

    def sign_of_life() -> None:
        nonlocal told_seconds
        if time.monotonic() - told_seconds > _BETWEEN_SIGNS_SECONDS:
            connection.send(_SIGN)
            told_seconds = time.monotonic()

    try:
        answer: tuple[str, Any] = ("result", work(piece, sign_of_life))
    except Exception as error:
        answer = ("error", f"{type(error).__name__}: {error}")
    connection.send(answer)
