"""A folder of results: refused for other results, continued after a kill at any byte, written by one command at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from vclr_pl import store
from vclr_pl.store import LOCK, FolderLock, Part, ResumableFolder
from vclr_pl.types import InputError


def folder(path: Path) -> ResumableFolder:
    return ResumableFolder(path / "results", description="made_of.json")


def begun(path: Path, **made_from: object) -> ResumableFolder:
    folder(path).begin(
        {"encoder": "x", "sizes": (1, 2), **made_from}, content="features", hint="Choose another folder.", ignored=["origin"]
    )
    return folder(path)


def test_other_results_are_refused(tmp_path: Path) -> None:
    assert folder(tmp_path).description() == {}
    begun(tmp_path, origin="here")
    assert begun(tmp_path, origin="there").description() == {"encoder": "x", "origin": "here", "sizes": [1, 2]}
    with pytest.raises(InputError, match=r"got features of another encoder, crop, see made_of\.json\. Choose another folder\."):
        begun(tmp_path, encoder="y", crop=3)


def test_other_results_are_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for made_from, kept in (({"network": 1}, []), ({"network": 1}, ["a"]), ({"network": 2}, [])):
        one = folder(tmp_path)
        one.begin_anew(made_from, results=["all.json"])
        assert list(one.finished()) == kept
        assert (one.path / "all.json").exists() == bool(kept)
        one.append([{"video": "a"}])
        (one.path / "all.json").touch()
    assert [record.getMessage() for record in caplog.records] == [f"{one.path} was made with another network: starting again"]


def lines_of(one: ResumableFolder) -> dict[object, object]:
    return {video: line["frames"] for video, line in one.finished().items()}


def test_a_kill_at_any_byte_loses_the_last_line_only(tmp_path: Path) -> None:
    one = begun(tmp_path)
    one.append([{"video": 0, "frames": 30}, {"video": 1, "frames": 9}])
    path = one.path / "journal_00000.jsonl"
    whole = path.read_bytes()
    assert whole.count(b"\n") == 2
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        before = lines_of(one)
        assert len(before) == whole[:kept].count(b"}")
        one.append([{"video": 4, "frames": 5}])
        assert lines_of(one) == {**before, 4: 5}


def test_all_ranks_are_read_and_the_newest_line_counts(tmp_path: Path) -> None:
    one = begun(tmp_path)
    for rank, frames in ((1, 1), (2, 2), (0, 3)):
        one.append([{"video": 7, "frames": frames}, {"video": f"of {rank}", "frames": frames}], rank=rank)
    assert lines_of(one) == {7: 3, "of 1": 1, "of 2": 2, "of 0": 3}
    one.remove_journals()
    assert lines_of(one) == {}


def test_journals_of_version_0_1_0_are_continued(tmp_path: Path) -> None:
    """With lines without a time, or with the end of a line before it; both may end in a part of a line."""
    one = begun(tmp_path)
    lines = [json.dumps({"video": video, "frames": 3}) for video in range(4)]
    (one.path / "journal_00000.jsonl").write_text(f"{lines[0]}\n{lines[1]}\n{lines[2][:9]}")
    (one.path / "journal_00001.jsonl").write_text(f"\n{lines[2]}\n{lines[3]}")
    one.append([{"video": 0, "frames": 4}])
    one.append([{"video": 5, "frames": 4}], rank=1)
    assert lines_of(one) == {0: 4, 1: 3, 2: 3, 3: 3, 5: 4}


def test_one_command_at_a_time(tmp_path: Path) -> None:
    one = begun(tmp_path)
    lock = one.path / LOCK
    with one.exclusive() as was_complete:
        assert not was_complete
        assert not another_gets_it(one.path)
    assert not lock.exists()
    with one.exclusive(is_complete=lambda: True) as was_complete:
        assert was_complete
        assert not lock.exists()  # nobody writes to a complete folder
    with one.exclusive(leads=False):
        assert not lock.exists()


def test_all_ranks_follow_the_first(tmp_path: Path) -> None:
    with begun(tmp_path).exclusive(leads=False, broadcast=lambda _: "complete") as was_complete:
        assert was_complete


TRY = """
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from vclr_pl.store import FolderLock
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
    lockf = store.fcntl.lockf

    def late(file: int, how: int) -> None:
        lockf(file, how)
        (tmp_path / store.LOCK).unlink()  # its last owner, between opening and locking

    monkeypatch.setattr(store.fcntl, "lockf", late)
    assert not lock.acquired()
    monkeypatch.setattr(store.fcntl, "lockf", lockf)
    assert lock.acquired()
    lock.release()


def test_without_locks_everyone_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "fcntl", None)
    assert FolderLock(tmp_path).acquired()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this machine has root run the tests, who may write anywhere")
def test_a_folder_that_nobody_writes_to_needs_no_lock(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert FolderLock(tmp_path).acquired()


HOLD = """
import socket, sys, time
from collections.abc import Callable
from pathlib import Path
from vclr_pl.store import FolderLock
if sys.argv[2] != "here":
    socket.gethostname = lambda: sys.argv[2]
print(FolderLock(Path(sys.argv[1])).acquired(), flush=True)
time.sleep(60)
"""


def test_a_lock_names_its_holder_and_only_that_of_another_machine_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file system frees the locks of a dead machine after a while; those of a dead process of this machine are free at once."""
    caplog.set_level("INFO")
    for host, waits in (("here", False), ("node7", True)):
        with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), host], stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "True\n"
            lock = FolderLock(tmp_path)
            assert not lock.acquired_after_wait(seconds=0.1)
            assert lock.holder() == f"process {holder.pid} of {store.socket.gethostname() if host == 'here' else host}"
            assert ("waiting" in caplog.text) == waits
            if waits:
                threading.Timer(0.5, holder.kill).start()
                assert lock.acquired_after_wait(seconds=60)
                lock.release()
            holder.kill()
    assert list(tmp_path.iterdir()) == []


def of_another_start(process: str, host: str, start: str) -> str:
    return f"{process} {host} {start}0"


def of_another_boot(process: str, host: str, start: str) -> str:
    return f"{process} {host} 0{start}"


def of_no_process(process: str, host: str, start: str) -> str:
    return f"9{process:0>9} {host} {start}"


def of_no_process_of_0_1_0(process: str, host: str, start: str) -> str:
    del start
    return f"9{process:0>9} {host}"


def of_0_1_0(process: str, host: str, start: str) -> str:
    del start
    return f"{process} {host}"


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="the start of a process is read from /proc")
@pytest.mark.parametrize(
    ("holder", "waits"),
    [(of_another_start, True), (of_another_boot, True), (of_no_process, True), (of_no_process_of_0_1_0, True), (of_0_1_0, False)],
)
def test_a_machine_of_the_same_name_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, holder: Callable[[str, str, str], str], waits: bool
) -> None:
    """A pod takes the name of the lost one, whose lock a network file system keeps for a while; its numbers are small and coincide."""
    caplog.set_level("INFO")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), "here"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        file = tmp_path / LOCK
        file.write_text(holder(*file.read_text().split(" ")))
        assert not FolderLock(tmp_path).acquired_after_wait(seconds=0.1)
        process.kill()
    assert ("waiting" in caplog.text) == waits


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), "here"], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        holder.kill()
    assert (tmp_path / LOCK).is_file()
    lock = FolderLock(tmp_path)
    assert lock.acquired_after_wait(seconds=0)
    lock.release()


def test_parts_are_disjoint_cover_everything_and_do_not_depend_on_the_list():
    paths = [f"class{number % 7}/{number}.mp4" for number in range(1000)]
    parts = [Part.of(f"{number}/10") for number in range(1, 11)]
    found = [[path for path in paths if part.has(path)] for part in parts]
    assert sorted(path for part in found for path in part) == sorted(paths)
    assert min(map(len, found)) > 70
    assert [path for path in paths[::2] if parts[3].has(path)] == [path for path in found[3] if path in set(paths[::2])]
    assert Part.of(None) is None
