"""Decode every frame of videos in child processes, to list the readable videos."""

from __future__ import annotations

import contextlib
import functools
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, cast

from vclr_pl.files import available_cores
from vclr_pl.stop import Stopped, stop_if_requested
from vclr_pl.types import InputError
from vclr_pl.video.clean_process import CleanProcess, ProcessEndedError, can_start
from vclr_pl.video.isolated import IsolatedDecoder
from vclr_pl.video.protocol import VideoDecoder, VideoReadError

_BETWEEN_SIGNS_SECONDS = 0.2
_CLEANING_SECONDS = 5.0

Piece = TypeVar("Piece")
Result = TypeVar("Result")

SignOfLife = Callable[[], None]


def process_count(processes: int | None, *, key: str) -> int:
    """`processes`, or the number of available cores for None. Raises InputError below 1."""
    if processes is not None and processes < 1:
        raise InputError(expected=f"{key} of at least 1", got=str(processes), hint=f"Set {key}=1 or more.")
    return available_cores() if processes is None else processes


@dataclass
class _Running(Generic[Piece]):
    piece: Piece
    heard_seconds: float


def map_in_processes(
    pieces: Iterable[Piece],
    *,
    work: Callable[[Piece, SignOfLife], Result],
    failed: Callable[[Piece, str], Result],
    processes: int,
    silence_seconds: float,
) -> Iterator[Result]:
    """Process each piece in a separate process; yield one result per piece, in order of completion.

    Args:
        work: function of a piece and of a function that it calls regularly, as a sign of life. It is pickled, as are pieces and results,
            and imported in a new process.
        failed: makes the result of a piece whose process died, raised, or sent no sign of life for `silence_seconds`, from the piece and
            the reason. It runs in this process.

    Closing the iterator kills the processes. If the system cannot fork (Windows), the pieces are processed one by one in this process.
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
                    yield failed(piece, f"no process available ({error})")
                    continue
                running[process] = _Running(piece, time.monotonic())
            if not running:
                return
            stop_if_requested()
            yield from _finished(running, failed=failed, silence_seconds=silence_seconds)
    except Stopped:
        _let_clean_up(running)
        raise
    finally:
        for process in running:
            process.end()


def _let_clean_up(processes: Iterable[CleanProcess]) -> None:
    """The processes remove their drafts at their next sign of life; those that give none in time are killed with theirs."""
    for process in processes:
        process.send(None)
    until = time.monotonic() + _CLEANING_SECONDS
    for process in processes:
        with contextlib.suppress(TimeoutError, ProcessEndedError):
            while process.receive(timeout_seconds=max(0.0, until - time.monotonic())) is None:
                pass


def _finished(
    running: dict[CleanProcess, _Running[Piece]], *, failed: Callable[[Piece, str], Result], silence_seconds: float
) -> Iterator[Result]:
    for process in cast(list[CleanProcess], wait(cast(Any, list(running)), timeout=_BETWEEN_SIGNS_SECONDS)):
        message = None
        while message is None and process.has_message:
            message = _message(process)
            running[process].heard_seconds = time.monotonic()
        if message is None:
            continue
        kind, content = message
        one = running.pop(process)
        process.end()
        yield content if kind == "result" else failed(one.piece, str(content))
    silent = [process for process, one in running.items() if time.monotonic() - one.heard_seconds > silence_seconds]
    for process in silent:
        one = running.pop(process)
        process.end()
        yield failed(one.piece, f"no frame within {silence_seconds:g} s")


def _message(process: CleanProcess) -> tuple[str, Any] | None:
    """None is a sign of life."""
    try:
        message: tuple[str, Any] | None = process.receive(timeout_seconds=None)
    except ProcessEndedError as error:
        return "error", f"the process crashed ({error})"
    return message


class _ToldToEndError(Exception):
    """The command stops."""


def _do(connection: Connection, descriptors: list[int], *, piece: Piece, work: Callable[[Piece, SignOfLife], Result]) -> None:
    """Entry point of one process."""
    del descriptors
    sent_seconds = 0.0

    def sign_of_life() -> None:
        nonlocal sent_seconds
        if connection.poll():
            raise _ToldToEndError
        if time.monotonic() - sent_seconds > _BETWEEN_SIGNS_SECONDS:
            connection.send(None)
            sent_seconds = time.monotonic()

    try:
        answer: tuple[str, Any] = ("result", work(piece, sign_of_life))
    except Exception as error:
        answer = ("error", f"{type(error).__name__}: {error}")
    connection.send(answer)


READABLE, BROKEN = "readable", "broken"


@dataclass(frozen=True)
class Readability:
    """One row of `check.csv`. For a broken file, `frames` counts the frames before the first failure."""

    path: str
    status: str  # READABLE or BROKEN
    backend: str
    frames: int
    reason: str  # empty if the file is readable

    @property
    def is_readable(self) -> bool:
        return self.status == READABLE


def check_readability(
    *,
    paths: Iterable[str],
    decoder: VideoDecoder,
    processes: int | None,
    decode_timeout_seconds: float,
    local_file: Callable[[str], AbstractContextManager[str]] = nullcontext,
) -> Iterator[Readability]:
    """One row per path, in order of completion, `processes` at a time (None: one per available core).

    Child processes decode every frame as in training. A file on which the decoder crashes, or takes more than
    `decode_timeout_seconds` for one frame, is a broken file. Paths are consumed lazily; closing the iterator stops the work.
    `local_file` gives the path on this machine, or raises VideoReadError.

    Raises:
        InputError: the machine cannot start a process. Any other error of a thread is raised too.
    """
    processes = process_count(processes, key="reading.processes")
    waiting, stop = iter(paths), threading.Event()
    taking, done = threading.Lock(), queue.Queue[Readability | Exception | None](maxsize=4 * processes)

    def work() -> None:
        inner = decoder.decoder if isinstance(decoder, IsolatedDecoder) else decoder
        own = IsolatedDecoder(decoder=inner, decode_timeout_seconds=decode_timeout_seconds)
        try:
            while not stop.is_set():
                with taking:
                    path = next(waiting, None)
                if path is None:
                    return
                done.put(_read_all(path, own, stop, local_file))
        except Exception as error:  # raised in the thread that waits for rows
            done.put(error)
        finally:
            done.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(processes)]
    for thread in threads:
        thread.start()
    yield from _rows_of(threads, done, stop)


def _rows_of(
    threads: list[threading.Thread], done: queue.Queue[Readability | Exception | None], stop: threading.Event
) -> Iterator[Readability]:
    """What the threads put into `done`, until each has put None."""
    running = len(threads)
    try:
        while running:
            stop_if_requested()
            try:
                row = done.get(timeout=_BETWEEN_SIGNS_SECONDS)
            except queue.Empty:
                continue
            if row is None:
                running -= 1
            elif isinstance(row, Exception):
                raise row
            else:
                yield row
    finally:
        stop.set()
        while running:  # empties the queue for waiting threads
            running -= done.get() is None
        for thread in threads:
            thread.join()


def _read_all(
    path: str, decoder: IsolatedDecoder, stop: threading.Event, local_file: Callable[[str], AbstractContextManager[str]]
) -> Readability:
    frames = 0
    try:
        with local_file(path) as file, decoder.open(file) as reader:
            for frames in itertools.takewhile(lambda _: not stop.is_set(), range(reader.frame_count)):
                reader.frames([frames])
            return Readability(path=path, status=READABLE, backend=reader.backend, frames=reader.frame_count, reason="")
    except VideoReadError as error:
        return Readability(path=path, status=BROKEN, backend=error.backend, frames=frames, reason=error.reason)
