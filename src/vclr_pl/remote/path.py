"""A path below a URL, with the part of `pathlib.Path` that the data sets use."""

from __future__ import annotations

import contextlib
import fnmatch
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from vclr_pl.remote.folder import RemoteFolder, TransferError


@dataclass(frozen=True)
class RemotePath:
    """The file or folder `relative` of a remote folder; empty for the folder itself. Whether it exists is a matter of the listing."""

    remote: RemoteFolder
    relative: str = ""

    def __fspath__(self) -> str:
        return f"{self.remote.url}/{self.relative}" if self.relative else self.remote.url

    def __str__(self) -> str:
        return self.__fspath__()

    def __truediv__(self, name: str | os.PathLike[str]) -> RemotePath:
        joined = os.path.normpath(f"{self.relative}/{os.fspath(name)}").lstrip("/")
        return RemotePath(self.remote, "" if joined == "." else joined)

    @property
    def name(self) -> str:
        return PurePosixPath(self.__fspath__()).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> RemotePath:
        """The folder around it; the top is its own parent, since nothing above it is listed."""
        return RemotePath(self.remote, self.relative.rpartition("/")[0])

    def is_file(self) -> bool:
        return self.remote.listing.row(self.relative) is not None

    def is_dir(self) -> bool:
        return self.remote.listing.is_folder(self.relative)

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def iterdir(self) -> Iterator[RemotePath]:
        return (self / name for name in dict.fromkeys(name for name, _ in self.remote.listing.children(self.relative)))

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """Files and folders directly below; `pattern` has no slash."""
        return (path for path in self.iterdir() if fnmatch.fnmatchcase(path.name, pattern))

    def read_bytes(self) -> bytes:
        """Raises OSError if the file does not arrive."""
        try:
            with self.remote.held(self.__fspath__()) as local:
                return Path(local).read_bytes()
        except TransferError as error:
            raise OSError(f"{self}: {error.reason}") from error

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def open(self, mode: str = "r", **options: Any) -> IO[Any]:
        """The whole content, for reading."""
        content = io.BytesIO(self.read_bytes())
        return content if "b" in mode else io.TextIOWrapper(content, **options)


Folder = Path | RemotePath


@contextlib.contextmanager
def on_disk(folder: Folder, pattern: str) -> Iterator[Path]:
    """A local folder with the files directly below `folder` that match, for code that opens files itself."""
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory() as copies:
        for path in folder.glob(pattern):
            (Path(copies) / path.name).write_bytes(path.read_bytes())
        yield Path(copies)
