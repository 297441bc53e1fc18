from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vclr_pl.system_error import IN_WORDS, in_words


def refusal(path: Path, action: str) -> str:
    with pytest.raises(OSError) as refused:  # noqa: PT011 (any of them)
        getattr(path, action)()
    return str(in_words(refused.value))


def test_what_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "file" / "a", "mkdir").startswith(f"expected a folder; got '{tmp_path}/file/a', which leads through a file.")
    assert refusal(tmp_path / "file", "mkdir").startswith(f"expected a folder; got '{tmp_path}/file', which is a file.")
    assert refusal(tmp_path / "folder", "read_bytes").startswith(f"expected a file; got '{tmp_path}/folder', which is a folder.")
    assert refusal(tmp_path / "none", "read_bytes").startswith(f"expected a file or folder that exists; got no '{tmp_path}/none'.")
    assert refusal(tmp_path / ("a" * 300), "touch").endswith("which is too long. Choose a shorter name.")


def test_a_rename_names_its_target() -> None:
    assert "got '/b', which is a folder" in str(in_words(OSError(errno.EISDIR, "", "/a", None, "/b")))


def test_errors_without_a_file_or_a_number() -> None:
    assert in_words(OSError("our own")) is None
    assert "got none for the output." in str(in_words(OSError(errno.ENOSPC, "")))
    assert "to read and write '/a'; got Input/output error." in str(in_words(OSError(errno.EIO, "Input/output error", b"/a")))


def test_every_line_is_whole() -> None:
    for number in IN_WORDS:
        line = str(in_words(OSError(number, os.strerror(number), "/some/path")))
        assert ("'/some/path'" in line) != (number in (errno.EPIPE, errno.EMFILE)), line
        assert line.endswith(".")
