"""Shared memory and open files, checked before workers start."""

from __future__ import annotations

import resource
import shutil
import socket
import subprocess
import sys

import pytest

from vclr_pl.data.machine_limits import (
    FILES_OF_A_BATCH,
    FILES_OF_A_PROCESS,
    SOCKET_NAME,
    SOCKET_PATH_BYTES,
    refuse_long_temporary_folder,
    refuse_small_shared_memory,
)
from vclr_pl.types import InputError


def test_a_small_shared_memory_names_the_remedy(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    refuse_small_shared_memory(batches_bytes=free // 2, folder=tmp_path)
    with pytest.raises(InputError, match=r"MB free in .*--shm-size"):
        refuse_small_shared_memory(batches_bytes=2 * free, folder=tmp_path)


def test_a_machine_without_it_is_not_asked(tmp_path):
    refuse_small_shared_memory(batches_bytes=2**60, folder=tmp_path / "none")


LIMITED = """
import resource, sys
from vclr_pl.data.machine_limits import raise_open_files
soft, hard, batches = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    raise_open_files(batches=batches)
except Exception as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def limited(soft, hard, batches):
    words = [sys.executable, "-c", LIMITED, *map(str, (soft, hard, batches))]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096, reason="this machine has few open files")
def test_the_limit_of_open_files_rises_as_far_as_it_may():
    needed = FILES_OF_A_PROCESS + 10 * FILES_OF_A_BATCH
    assert limited(300, 1000, 10) == [str(needed)]
    assert limited(900, 1000, 10) == ["900"]
    line, soft = limited(300, 400, 10)
    assert f"{needed} open files" in line
    assert "ulimit -n" in line
    assert soft == "300"


def test_a_temporary_folder_is_refused_where_a_socket_in_it_has_no_name(tmp_path):
    """The longest path that is accepted has room for the socket that multiprocessing makes; one byte more has not."""
    longest = SOCKET_PATH_BYTES - len(SOCKET_NAME)
    refuse_long_temporary_folder("/" + "a" * (longest - 1))
    with pytest.raises(InputError, match="Set TMPDIR to a shorter path"):
        refuse_long_temporary_folder("/" + "a" * longest)
    for extra, fits in ((0, True), (1, False)):
        with socket.socket(socket.AF_UNIX) as made:
            try:
                made.bind(b"\0" + b"a" * (SOCKET_PATH_BYTES + extra))
                bound = True
            except OSError:
                bound = False
        assert bound == fits
