"""The file of a video: on the local disk, or on a server and then in the cache on the local disk while it is read."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path

from torch import Tensor

from vclr_pl.remote.folder import BACKEND, RemoteFolder, TransferError
from vclr_pl.remote.path import Folder, RemotePath
from vclr_pl.video.protocol import ClosingReader, VideoDecoder, VideoReader, VideoReadError

_TIMES_FROM, _TIMES = 10**9, 5 * 10**8  # seconds since 1970: 2001 to 2017


@contextlib.contextmanager
def local_file(path: str, *, remote: RemoteFolder | None) -> Iterator[str]:
    """The path on this machine. It stays there while the block runs. A path that is not below `remote` is unchanged.

    Raises:
        VideoReadError: the file does not arrive.
    """
    if remote is None or remote.name_of(path) is None:
        yield path
        return
    with contextlib.ExitStack() as stack:
        try:
            local = stack.enter_context(remote.held(path))
        except TransferError as error:
            raise VideoReadError(path, BACKEND, error.reason, error.is_temporary) from None
        yield local


def held(path: Folder) -> contextlib.AbstractContextManager[str]:
    """`local_file` of a path of a data set."""
    return local_file(fspath(path), remote=path.remote if isinstance(path, RemotePath) else None)


def size_and_seconds(path: Folder) -> tuple[int, float]:
    """Size in bytes, and the time of the last change; of a file on a server, a time that its checksum determines.

    Raises:
        OSError: no such file.
    """
    if isinstance(path, Path):
        status = path.stat()
        return status.st_size, status.st_mtime
    entry = path.remote.entry(fspath(path))
    if entry is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    size, tag = entry.stamp
    return size, float(_TIMES_FROM + tag % _TIMES)


class RemoteDecoder:
    """Gives `decoder` the local file of a video on a server, until its reader is closed."""

    def __init__(self, decoder: VideoDecoder, *, remote: RemoteFolder) -> None:
        self.decoder, self.remote = decoder, remote

    def backend_of(self, path: str | PathLike[str]) -> str:
        return self.decoder.backend_of(path)

    def open(self, path: str | PathLike[str]) -> VideoReader:
        with contextlib.ExitStack() as stack:
            local = stack.enter_context(local_file(fspath(path), remote=self.remote))
            try:
                reader = self.decoder.open(local)
            except VideoReadError as error:
                raise VideoReadError(fspath(path), error.backend, error.reason, error.is_temporary) from None
            return _HeldReader(reader, file=stack.pop_all())


class _HeldReader(ClosingReader):
    """A reader whose file stays in the cache until it is closed."""

    def __init__(self, reader: VideoReader, *, file: contextlib.ExitStack) -> None:
        self._reader, self._file = reader, file

    @property
    def backend(self) -> str:
        return self._reader.backend

    @property
    def frame_count(self) -> int:
        return self._reader.frame_count

    def frames(self, indices: Sequence[int]) -> Tensor:
        return self._reader.frames(indices)

    def close(self) -> None:
        self._reader.close()
        self._file.close()
