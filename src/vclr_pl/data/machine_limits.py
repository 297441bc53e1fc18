"""What loader workers need of the machine beyond memory, checked before they start: shared memory and open files."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from vclr_pl.types import InputError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SHARED_MEMORY = Path("/dev/shm")  # torch's workers return batches in it
FILES_OF_A_PROCESS = 256  # libraries, logs, sockets
FILES_OF_A_BATCH = 16  # each part of a batch is one: `reading_ahead.MOST_PARTS`
SOCKET_NAME = "/pymp-01234567/listener-01234567"  # below the temporary folder: workers return batches through it
SOCKET_PATH_BYTES = 107  # of Linux; 103 on macOS


def require_room(*, batches_bytes: int | None, workers: int, prefetch: int, processes: int) -> None:
    """For the workers of each rank.

    Args:
        batches_bytes: of the batches that they hold at once; None for views of unknown size.
        prefetch: batches that are read ahead for each worker.
        processes: ranks on this machine.

    Raises:
        InputError: see the functions below.
    """
    if workers:
        refuse_long_temporary_folder(tempfile.gettempdir())
        refuse_small_shared_memory(batches_bytes=(batches_bytes or 0) * processes)
        raise_open_files(batches=2 + workers * prefetch)


def refuse_long_temporary_folder(folder: str) -> None:
    """
    Raises:
        InputError: the name of a socket in it would be too long. A worker could return no batch, and the run would wait for ever.
    """
    room = SOCKET_PATH_BYTES - len(os.fsencode(SOCKET_NAME))
    if len(os.fsencode(folder)) > room:
        raise InputError(
            expected=f"a temporary folder with a path of at most {room} bytes, for the loader's workers",
            got=folder,
            hint="Set TMPDIR to a shorter path, such as /tmp, or loader.workers=0.",
        )


def refuse_small_shared_memory(*, batches_bytes: int, folder: Path = SHARED_MEMORY) -> None:
    """
    Args:
        batches_bytes: of all batches that the workers of this machine hold at once.

    Raises:
        InputError: the shared memory has less room. A worker would end with a bus error.
    """
    if not folder.is_dir():  # not on macOS
        return
    free = shutil.disk_usage(folder).free
    if batches_bytes > free:
        raise InputError(
            expected=f"{batches_bytes / 1e6:.0f} MB of shared memory for the loader's batches",
            got=f"{free / 1e6:.0f} MB free in {folder}",
            hint="Start the container with --shm-size=16g (or --ipc=host), or set loader.workers, loader.prefetch_batches or "
            "loader.batch_size lower.",
        )


def raise_open_files(*, batches: int) -> None:
    """Raise this process's limit of open files to what the batches need, where the system's hard limit allows it.

    Args:
        batches: that the workers of this process hold at once.

    Raises:
        InputError: the hard limit is lower.
    """
    if resource is None:
        return
    needed = FILES_OF_A_PROCESS + FILES_OF_A_BATCH * batches
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise InputError(
            expected=f"{needed} open files for the loader's batches",
            got=f"a limit of {hard}",
            hint="Raise the limit with `ulimit -n`, or set loader.workers lower.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
