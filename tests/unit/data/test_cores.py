"""Each rank counts the cores that it has to itself, and its part of those that it shares: bound or not, by any launcher."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vclr_pl.data.cores import RankCores, cores_of_rank, reading_workers, share_of_cores
from vclr_pl.files import available_cores


def node(name: str, *masks: range, limit: int | None = None) -> list[RankCores]:
    return [RankCores(machine=name, cores=frozenset(mask), limit=limit) for mask in masks]


BOUND = [range(7 * task, 7 * task + 7) for task in range(8)]  # srun --ntasks-per-node=8 --cpus-per-task=7
WHOLE = [range(112)] * 8  # torchrun, or srun where the cluster binds nothing


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        (node("a", *BOUND), [7] * 8),
        (node("a", *WHOLE), [14] * 8),
        (node("a", range(112)), [112]),
        (node("a", *[range(56)] * 4, *[range(56, 112)] * 4), [14] * 8),  # torchrun --numa-binding=node, two sockets
        (node("a", *WHOLE) + node("b", *WHOLE), [14] * 16),
        (node("a", range(4), range(4)) + node("b", range(4)), [2, 2, 4]),
        (node("a", range(4), range(2)), [3, 1]),  # two cores alone and half of the two shared ones; half of them
        (node("a", range(7), range(7), range(7)), [2, 2, 2]),
        (node("a", range(1), range(1)), [0, 0]),
        (node("a", *WHOLE, limit=16), [2] * 8),  # one container with a limit of 16 CPUs
        (node("a", range(7), limit=3), [3]),
    ],
)
def test_a_core_counts_once(ranks: list[RankCores], expected: list[int]) -> None:
    assert [share_of_cores(number, of=ranks) for number in range(len(ranks))] == expected


def test_a_process_alone_has_them_all() -> None:
    assert cores_of_rank(ranks=1) == available_cores()


@pytest.mark.parametrize(("cores", "batches", "expected"), [(112, 500, 32), (14, 500, 14), (14, 3, 3), (0, 500, 0)])
def test_no_more_workers_than_cores_and_batches(cores: int, batches: int, expected: int) -> None:
    assert reading_workers(cores=cores, batches=batches) == expected


PROGRAM = """
import os
import torch.distributed as dist
from vclr_pl.data.cores import cores_of_rank
dist.init_process_group("gloo")
os.write(1, f"cores {dist.get_rank()} {cores_of_rank(ranks=dist.get_world_size())}\\n".encode())
dist.destroy_process_group()
"""


@pytest.mark.skipif(shutil.which("taskset") is None, reason="this machine has no taskset")
@pytest.mark.parametrize(
    ("masks", "expected"), [(("0", "1"), [1, 1]), (("0,1", "0,1"), [1, 1]), (("0", "0"), [0, 0]), (("0,1", "1"), [1, 0])]
)
def test_ranks_of_torchrun_under_taskset(masks: tuple[str, str], expected: list[int], tmp_path: Path) -> None:
    """Both processes ask the system for their own masks and exchange them, as in a run."""
    if available_cores() < 2:
        pytest.skip("this machine has one core")
    first, second = sorted(os.sched_getaffinity(0))[:2]
    names = [
        mask.replace("0", "first").replace("1", "second").replace("first", str(first)).replace("second", str(second)) for mask in masks
    ]
    (tmp_path / "program.py").write_text(PROGRAM)
    bound = f'masks=({" ".join(names)}); exec taskset --cpu-list "${{masks[$LOCAL_RANK]}}" {sys.executable} {tmp_path / "program.py"}'
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python", "bash", "-c", bound]
    done = subprocess.run(torchrun, capture_output=True, text=True, timeout=120, check=False)
    found = sorted(line for line in done.stdout.splitlines() if line.startswith("cores"))
    assert found == [f"cores {number} {share}" for number, share in enumerate(expected)], done.stderr
