"""Reads every frame of every video ahead of a run, and says of each file what is wrong or how many frames it holds."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vclr_pl.data.decoding.isolated import IsolatedDecoder
from vclr_pl.data.decoding.protocol import VideoDecoder, VideoReadError
from vclr_pl.data.process_pool import process_count

READABLE, BROKEN = "readable", "broken"


@dataclass(frozen=True)
class Readability:
    """One row of `check.csv`. `frames` of a broken file are those read before the first that fails."""

    path: str
    status: str  # READABLE or BROKEN
    backend: str
    frames: int
    reason: str  # empty where the file is readable

    @property
    def is_readable(self) -> bool:
        return self.status == READABLE


def check_readability(
    *, paths: Iterable[str], decoder: VideoDecoder, processes: int | None, decode_timeout_seconds: float
) -> Iterator[Readability]:
    """One row a path, in the order in which they are done, `processes` at a time (None: as many as there are cores at hand).

    Every frame is decoded, as training decodes it, in child processes: a file on which the decoder crashes, or takes more than
    `decode_timeout_seconds` for one frame, is a broken file and no more. Paths are taken as they are needed; closing the iterator stops
    the work.

    Raises:
        InputError: the machine has no process to decode in; and whatever else ends a thread before its file is read.
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
                done.put(_read_all(path, own, stop))
        except Exception as error:  # whatever it is: raised by the thread that waits for rows, which would miss one otherwise
            done.put(error)
        finally:
            done.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(processes)]
    for thread in threads:
        thread.start()
    running = processes
    try:
        while running:
            row = done.get()
            if row is None:
                running -= 1
            elif isinstance(row, Exception):
                raise row
            else:
                yield row
    finally:
        stop.set()
        while running:  # whoever waits for a place in the queue gets it
            running -= done.get() is None
        for thread in threads:
            thread.join()


def _read_all(path: str, decoder: IsolatedDecoder, stop: threading.Event) -> Readability:
    frames = 0
    try:
        with decoder.open(path) as reader:
            for frames in itertools.takewhile(lambda _: not stop.is_set(), range(reader.frame_count)):
                reader.frames([frames])
            return Readability(path=path, status=READABLE, backend=reader.backend, frames=reader.frame_count, reason="")
    except VideoReadError as error:
        return Readability(path=path, status=BROKEN, backend=error.backend, frames=frames, reason=error.reason)
