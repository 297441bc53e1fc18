"""Files that are whole or absent: written under another name, and moved to their own when complete."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

ANY_BYTE: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}  # file names are bytes; a CSV file keeps all of them


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The name of a draft beside `path`, to be written in the block; moved to `path` at its end, removed when the block fails.

    The folder is made. Two processes may write the same file at once: their drafts have different names.

    Raises:
        OSError: with the name of the file, where it cannot be written.
    """
    draft = path.with_name(f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.{os.getpid()}.unfinished")
    with errors_name(path, draft=draft):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def errors_name(path: Path, *, draft: Path | None = None) -> Iterator[None]:
    """Name `path` in the OSErrors of the block that name no file, such as those of `file.write`, or its draft.

    What torch and NumPy raise on a full disk is an OSError of a full disk then.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None and str(error).endswith("written"):  # NumPy: "100000 requested and 12784 written"
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        if error.errno is not None and error.filename in (None, draft, str(draft)) and error.filename2 is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    except RuntimeError as error:  # torch.save: "unexpected pos 704 vs 598", raised while it handles the disk's own error
        if isinstance(cause := error.__context__, OSError) and cause.errno is not None:
            raise OSError(cause.errno, cause.strerror, str(path)) from error
        raise


def write_whole(path: Path, content: bytes | str) -> None:
    """Write bytes, or text as UTF-8."""
    with whole_file(path) as draft:
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_csv(path: Path, header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Write a table. A byte of a file's name that is not UTF-8 is written as it is."""
    with whole_file(path) as draft, draft.open("w", newline="", **ANY_BYTE) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
