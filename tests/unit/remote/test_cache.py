"""The cache: bounded, shared, whole files, and nothing that is in use is removed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from vclr_pl.remote.cache import FileCache, FileTooLargeError
from vclr_pl.types import InputError

KILOBYTE = 1e-6  # in gigabytes


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "files").rglob("*") if path.is_file())


def put(cache: FileCache, key: str, *, size: int) -> None:
    with cache.held(key, suffix=".mp4", size=size, fetch=lambda draft: draft.write_bytes(b"x" * size)):
        pass


def test_the_least_recently_used_files_go_first_and_the_limit_holds(tmp_path):
    cache = FileCache(folder=str(tmp_path), gigabytes=10 * KILOBYTE)
    for key in ("aa", "bb", "cc"):
        put(cache, key, size=3000)
        path = next(path for path in files_in(tmp_path) if path.stem == key)
        os.utime(path, (1, 1 + len(files_in(tmp_path))))
    put(cache, "aa", size=3000)  # used again
    put(cache, "dd", size=3000)
    assert {path.stem for path in files_in(tmp_path)} == {"aa", "cc", "dd"}
    assert sum(path.stat().st_size for path in files_in(tmp_path)) <= cache.limit_bytes
    assert int((tmp_path / "used").read_text()) == 9000


def test_a_file_in_use_is_not_removed(tmp_path):
    cache = FileCache(folder=str(tmp_path), gigabytes=10 * KILOBYTE)
    with cache.held("aa", suffix=".mp4", size=6000, fetch=lambda draft: draft.write_bytes(b"a" * 6000)) as local:
        put(cache, "bb", size=6000)
        put(cache, "cc", size=6000)
        assert Path(local).read_bytes() == b"a" * 6000
    put(cache, "dd", size=6000)
    assert {path.stem for path in files_in(tmp_path)} == {"dd"}


def test_a_file_above_the_limit_is_refused(tmp_path):
    with pytest.raises(FileTooLargeError, match=r"cache\.gigabytes"):
        put(FileCache(folder=str(tmp_path), gigabytes=KILOBYTE), "aa", size=1001)


def test_a_failure_leaves_nothing_and_gives_its_bytes_back(tmp_path):
    cache = FileCache(folder=str(tmp_path), gigabytes=1)

    def broken(draft: Path) -> None:
        draft.write_bytes(b"half")
        raise ConnectionError

    with pytest.raises(ConnectionError), cache.held("aa", suffix=".mp4", size=8, fetch=broken):
        pass
    assert files_in(tmp_path) == []
    assert list((tmp_path / "drafts").iterdir()) == []
    assert int((tmp_path / "used").read_text()) == 0


def test_a_file_that_was_cut_short_is_fetched_again(tmp_path):
    cache = FileCache(folder=str(tmp_path), gigabytes=1)
    put(cache, "aa", size=8)
    files_in(tmp_path)[0].write_bytes(b"x")
    put(cache, "aa", size=8)
    assert files_in(tmp_path)[0].stat().st_size == 8


class OvertakenCache(FileCache):
    """Another process completes the file after this one has found it absent."""

    def _make(self, path, **given):
        put(FileCache(folder=self.folder, gigabytes=1), "aa", size=8)
        super()._make(path, **given)


def test_a_process_that_is_overtaken_leaves_no_draft(tmp_path):
    put(OvertakenCache(folder=str(tmp_path), gigabytes=1), "aa", size=8)
    assert files_in(tmp_path)[0].stat().st_size == 8
    assert list((tmp_path / "drafts").iterdir()) == []


def test_many_readers_fetch_a_file_once(tmp_path):
    cache, fetched = FileCache(folder=str(tmp_path), gigabytes=1), list[int]()

    def fetch(draft: Path) -> None:
        fetched.append(1)
        draft.write_bytes(b"x" * 8)

    def read() -> None:
        with cache.held("aa", suffix=".mp4", size=8, fetch=fetch):
            pass

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched == [1]


def hang(folder: str, ready) -> None:
    def fetch(draft: Path) -> None:
        draft.write_bytes(b"half")
        ready.send(None)
        signal.pause()

    with FileCache(folder=folder, gigabytes=10 * KILOBYTE).held("aa", suffix=".mp4", size=6000, fetch=fetch):
        pass


def test_a_killed_fetch_is_repeated_and_its_draft_and_bytes_do_not_stay(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hang, args=(str(tmp_path), theirs))
    process.start()
    ours.recv()
    process.kill()
    process.join()
    assert len(list((tmp_path / "drafts").iterdir())) == 1
    cache = FileCache(folder=str(tmp_path), gigabytes=10 * KILOBYTE)
    put(cache, "bb", size=6000)
    assert list((tmp_path / "drafts").iterdir()) == []
    put(cache, "aa", size=3000)
    assert {path.stem for path in files_in(tmp_path)} == {"aa", "bb"}
    assert int((tmp_path / "used").read_text()) == 9000


@pytest.mark.parametrize("option", ["gigabytes", "tries"])
def test_a_limit_of_zero_is_refused(option):
    with pytest.raises(InputError, match=rf"cache\.{option}"):
        FileCache(**{option: 0})
