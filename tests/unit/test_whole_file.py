from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from vclr_pl.whole_file import errors_name, whole_file, write_csv, write_whole

SMALL, LARGE = 4096, 1 << 20


@pytest.fixture
def no_large_files() -> Iterator[None]:
    """No file grows past `SMALL` bytes, as on a disk that is full by then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_there_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "x", b"one")
    write_whole(tmp_path / "new" / "x", "caf\u00e9")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "new").iterdir()] == [("x", "caf\u00e9".encode())]


def test_a_block_that_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"one")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "x") as draft:  # noqa: PT012
        draft.write_bytes(b"tw")
        raise KeyboardInterrupt
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"one")]


def save_with_torch(draft: Path) -> None:
    with draft.open("wb") as file:
        torch.save({"a": torch.zeros(LARGE)}, file)


def save_with_numpy(draft: Path) -> None:
    with draft.open("wb") as file:
        np.save(file, np.zeros(LARGE))


@pytest.mark.parametrize("save", [lambda draft: draft.write_bytes(bytes(LARGE)), save_with_torch, save_with_numpy])
@pytest.mark.usefixtures("no_large_files")
def test_a_full_disk_is_one_error_that_names_the_file(save, tmp_path: Path) -> None:
    """torch says "unexpected pos 704 vs 598" and NumPy "1048576 requested and 496 written"."""
    write_whole(tmp_path / "x", b"one")
    with pytest.raises(OSError, match="x") as refused, whole_file(tmp_path / "x") as draft:
        save(draft)
    assert refused.value.errno in (errno.EFBIG, errno.ENOSPC)
    assert refused.value.filename == str(tmp_path / "x")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"one")]


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a defect"), errors_name(tmp_path / "x"):
        raise RuntimeError("a defect")
    with pytest.raises(FileNotFoundError) as refused, errors_name(tmp_path / "x"):
        (tmp_path / "y").read_bytes()
    assert refused.value.filename == str(tmp_path / "y")


def test_a_folder_in_the_way_and_a_long_name(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as refused:
        write_whole(tmp_path / "folder", b"")
    assert refused.value.filename2 == str(tmp_path / "folder")
    write_whole(tmp_path / ("\u00e9" * 127), b"")  # 254 bytes; the draft's name is shorter
    assert sorted(len(os.fsencode(path.name)) for path in tmp_path.iterdir()) == [6, 254]


def test_a_table_keeps_any_byte(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ("name", "count"), [(os.fsdecode(b"caf\xe9, a"), 1)])
    assert (tmp_path / "x.csv").read_bytes() == b'name,count\r\n"caf\xe9, a",1\r\n'
