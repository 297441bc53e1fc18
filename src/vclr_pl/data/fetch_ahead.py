"""Fetch videos from a server before they are read, in the known order of reading."""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from vclr_pl.remote.folder import RemoteFolder
from vclr_pl.video.clean_process import CleanProcess, ProcessEndedError, can_start

MOST_FILES = 512  # fetched, or on their way, and not yet read
CACHE_FRACTION = 1 / 16  # of the cache's limit, which the processes of a machine share


class FetchAhead:
    """A process that fetches files into the cache, some of them at a time, while others are read. Use it as a context manager.

    It never fails: a file that it does not get is fetched by its reader, who reports the error.

    Args:
        remote: the folder on the server; None if the videos are on the local disk, where nothing is to be done.
        paths: in the order of reading.
    """

    def __init__(self, *, remote: RemoteFolder | None, paths: Iterable[str]) -> None:
        self._remote, self._paths = remote, iter(paths)
        self._sizes: deque[int] = deque()
        self._next: tuple[str, int] | None = None
        self._process: CleanProcess | None = None

    def __enter__(self) -> Self:
        if self._remote is not None and self._remote.cache.connections and can_start():
            with contextlib.suppress(ProcessEndedError):
                self._process = CleanProcess(functools.partial(_fetch_all, remote=self._remote), descriptors=())
        self.passed(0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.end()

    def passed(self, count: int) -> None:
        """`count` further files have been read: as many others follow."""
        if self._process is None or self._remote is None:
            return
        for _ in range(min(count, len(self._sizes))):
            self._sizes.popleft()
        if asked := list(self._within_limits(self._remote)):
            self._process.send(asked)

    def _within_limits(self, remote: RemoteFolder) -> Iterator[str]:
        total, most = sum(self._sizes), int(remote.cache.limit_bytes * CACHE_FRACTION)
        while len(self._sizes) < MOST_FILES:
            if self._next is None:
                path = next(self._paths, None)
                if path is None:
                    return
                entry = remote.entry(path)
                self._next = path, 0 if entry is None else max(0, entry.size)
            path, size = self._next
            if total + size > most:
                return
            self._sizes.append(size)
            self._next, total = None, total + size
            yield path


def followed(paths: Iterable[str], *, remote: RemoteFolder | None) -> Iterator[str]:
    """The same paths, fetched ahead of their reader."""
    known = list(paths)
    with FetchAhead(remote=remote, paths=known) as ahead:
        for path in known:
            yield path
            ahead.passed(1)


def _fetch_all(connection: Connection, descriptors: list[int], *, remote: RemoteFolder) -> None:
    """Entry point of the process."""
    del descriptors
    with contextlib.suppress(Exception):
        remote.server.connect()  # once, before the threads
    with ThreadPoolExecutor(remote.cache.connections) as pool, contextlib.suppress(EOFError):
        while True:
            for path in connection.recv():
                pool.submit(_fetch, remote, path)


def _fetch(remote: RemoteFolder, path: str) -> None:
    with contextlib.suppress(Exception), remote.held(path):  # the reader of the file reports errors
        pass
