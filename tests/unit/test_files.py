"""Files are written whole, errors of the system are one line, and cores are counted as the scheduler and control groups limit them."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from vclr_pl.files import (
    IN_WORDS,
    available_cores,
    errors_name,
    evenly_spaced,
    file_stamp,
    in_words,
    machine_memory,
    whole_file,
    write_csv,
    write_whole,
)

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


def test_the_draft_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    """A copy of a data set is continued in another process, and leaves no draft."""
    killed = """
import os, sys
from pathlib import Path
from vclr_pl.files import whole_file
with whole_file(Path(sys.argv[1]), one_writer=True) as draft:
    draft.write_bytes(b"tw")
    os._exit(9)
"""
    subprocess.run([sys.executable, "-c", killed, str(tmp_path / "x")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with whole_file(tmp_path / "x", one_writer=True) as draft:
        draft.write_bytes(b"one")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"one")]


def test_a_stamp_is_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"123")
    os.utime(tmp_path / "x", ns=(5, 7_000_000_000))
    assert file_stamp(tmp_path / "x") == (3, 7_000_000_000)
    assert file_stamp(str(tmp_path / "y")) is None


def save_with_torch(draft: Path) -> None:
    with draft.open("wb") as file:
        torch.save({"a": torch.zeros(LARGE)}, file)


def save_with_numpy(draft: Path) -> None:
    with draft.open("wb") as file:
        np.save(file, np.zeros(LARGE))


def copy_a_large_file(draft: Path) -> None:
    shutil.copyfile(sys.executable, draft)


@pytest.mark.parametrize("save", [lambda draft: draft.write_bytes(bytes(LARGE)), save_with_torch, save_with_numpy, copy_a_large_file])
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


PROGRAM = "from vclr_pl.files import available_cores; print(available_cores())"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_a_process_that_is_bound_to_one_core_has_one() -> None:
    bind = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {PROGRAM}"
    done = subprocess.run([sys.executable, "-c", bind], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"


def test_without_affinity_it_is_the_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cores(own_groups=tmp_path / "absent") == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores(own_groups=tmp_path / "absent") == 1


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {"cpu.max": "300000 100000"}, 3),
        ("0::/", {"cpu.max": "250000 100000"}, 3),
        ("0::/", {"cpu.max": "5000 100000"}, 1),
        ("0::/", {"cpu.max": "9900000 100000"}, 8),
        ("0::/jobs/step_1", {"jobs/step_1/cpu.max": "max 100000", "jobs/cpu.max": "200000 100000"}, 2),  # of the job around the step
        ("0::/not/seen/here", {"cpu.max": "200000 100000"}, 2),  # from inside a container
        ("0::/", {}, 8),
        ("7:memory:/a\n4:cpu,cpuacct:/a", {"cpu,cpuacct/a/cpu.cfs_quota_us": "400000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}, 4),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("0::/", {"cpu.max": ""}, 8),
    ],
)
def test_limits_of_control_groups(own: str, files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both versions, as Linux writes them; the machine has eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (tmp_path / "own").write_text(f"{own}\n")
    for name, content in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(f"{content}\n")
    assert available_cores(own_groups=tmp_path / "own", groups=tmp_path / "groups") == expected


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"memory.max": "max"}, 8 * 2**30),
        ("0::/", {"memory.max": str(2**30)}, 2**30),
        ("0::/jobs/step_1", {"jobs/step_1/memory.max": "max", "jobs/memory.max": str(3 * 2**30)}, 3 * 2**30),
        ("7:memory:/a", {"memory/a/memory.limit_in_bytes": str(2**29)}, 2**29),
        ("7:memory:/a", {"memory/a/memory.limit_in_bytes": "9223372036854771712"}, 8 * 2**30),  # no limit, in version 1
        ("4:cpu:/a", {"cpu/a/memory.max": "1"}, 8 * 2**30),
    ],
)
def test_memory_of_the_machine_and_its_control_groups(
    own: str, files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both versions, as Linux writes them; the machine has 8 GiB."""
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2 * 2**20}[name])
    (tmp_path / "own").write_text(f"{own}\n")
    for name, content in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(f"{content}\n")
    assert machine_memory(own_groups=tmp_path / "own", groups=tmp_path / "groups") == expected


def test_one_place_counts() -> None:
    sources = Path(__file__).parents[2] / "src"
    counting = [path.name for path in sources.rglob("*.py") if "sched_getaffinity" in path.read_text() or "cpu_count" in path.read_text()]
    assert counting == ["files.py"]


@pytest.mark.parametrize(
    ("at", "positions"),
    [("start", [0, 2, 5, 7]), ("middle", [1, 3, 6, 8]), ("ends", [0, 3, 6, 9])],
)
def test_four_of_ten_evenly_spaced(at, positions):
    assert evenly_spaced(10, 4, at=at) == positions


@pytest.mark.parametrize("at", ["start", "middle", "ends"])
def test_all_where_fewer_are_there_than_wanted(at):
    assert evenly_spaced(3, 8, at=at) == [0, 1, 2]
    assert evenly_spaced(1, 1, at=at) == [0]
    assert evenly_spaced(0, 4, at=at) == []


def test_the_ends_are_numpys_linspace():
    for count, wanted in itertools.product(range(1, 40), range(1, 12)):
        expected = np.unique(np.round(np.linspace(0, count - 1, min(count, wanted))).astype(int))
        assert evenly_spaced(count, wanted, at="ends") == expected.tolist()
