"""Among real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vclr_pl.embedding import folder_lock
from vclr_pl.embedding.folder_lock import FolderLock

TRY = """
import sys
from pathlib import Path
from vclr_pl.embedding.folder_lock import FolderLock
print(FolderLock(Path(sys.argv[1])).acquired())
"""


def another_gets_it(folder: Path) -> bool:
    done = subprocess.run([sys.executable, "-c", TRY, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout == "True\n"


def test_one_process_has_it_until_it_gives_it_back(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    assert lock.acquired()
    assert lock.acquired()
    assert not another_gets_it(tmp_path)
    lock.release()
    lock.release()
    assert list(tmp_path.iterdir()) == []
    assert another_gets_it(tmp_path)


def test_a_lock_whose_file_is_gone_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = FolderLock(tmp_path)
    lockf = folder_lock.fcntl.lockf

    def late(file: int, how: int) -> None:
        lockf(file, how)
        (tmp_path / folder_lock.LOCK).unlink()  # its last owner, between opening and locking

    monkeypatch.setattr(folder_lock.fcntl, "lockf", late)
    assert not lock.acquired()
    monkeypatch.setattr(folder_lock.fcntl, "lockf", lockf)
    assert lock.acquired()
    lock.release()


def test_without_locks_everyone_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "fcntl", None)
    assert FolderLock(tmp_path).acquired()
    assert list(tmp_path.iterdir()) == []
