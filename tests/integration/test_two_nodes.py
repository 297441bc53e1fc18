"""torchrun on two nodes of two processes, each in a network namespace of its own: one is late, and one is lost and comes back."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.documentation.documented_commands import FENCE, ROOT
from tests.integration.test_slurm import TINY
from tests.network_namespaces import Machine, missing, two_machines

PORT, EPOCHS, SECONDS = 29400, 60, 280


@pytest.fixture
def machines() -> Iterator[tuple[Machine, Machine]]:
    absent = missing()
    if absent is not None:
        pytest.skip(absent)
    with two_machines() as both:
        yield both


def documented(*, first: Machine, options: list[str]) -> str:
    """The commands of docs/cluster.md for several nodes, with this cluster's names and sizes and the options of a small run."""
    (block,) = [block for block in FENCE.findall((ROOT / "docs" / "cluster.md").read_text()) if "torchrun --nnodes=" in block]
    here = {"nnodes=4": "nnodes=2", "nproc-per-node=8": "nproc-per-node=2", "num_nodes=4": "num_nodes=2", "HOST": first.name}
    for shipped, ours in {**here, "experiment=ucf101 data.root=DIR": shlex.join(options)}.items():
        assert shipped in block
        block = block.replace(shipped, ours)
    return block


def wait_for_checkpoint(folder: Path, *, newer_than: float, nodes: list[subprocess.Popen[bytes]]) -> float:
    deadline = time.monotonic() + SECONDS
    while True:
        found = [path.stat().st_mtime for path in folder.glob("runs/demo/*/checkpoints/last.ckpt")]
        if found and max(found) > newer_than:
            return max(found)
        assert all(node.poll() is None for node in nodes), output(folder)
        assert time.monotonic() < deadline, output(folder)
        time.sleep(0.1)


def output(folder: Path) -> str:
    return "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-6000:]}" for path in sorted(folder.glob("*.log")))


def test_a_node_is_late_and_later_lost_and_started_again(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    first, second = machines
    options = [
        *TINY,
        f"trainer.max_epochs={EPOCHS}",
        f"paths.data={tmp_path / 'data'}",
        f"paths.runs={tmp_path / 'runs'}",
        "trainer.devices=2",
    ]
    command = ["sh", "-c", documented(first=first, options=options)]
    nodes = [first.start(command, folder=tmp_path, log=tmp_path / "first.log")]
    first.wait_for_listener(PORT, seconds=SECONDS)
    assert not (tmp_path / "runs").exists()  # it waits for the other node
    nodes.append(second.start(command, folder=tmp_path, log=tmp_path / "second.log"))
    saved = wait_for_checkpoint(tmp_path, newer_than=0.0, nodes=nodes)

    second.fail()
    nodes.pop().wait(timeout=30)
    nodes.append(second.start(command, folder=tmp_path, log=tmp_path / "second_again.log"))
    wait_for_checkpoint(tmp_path, newer_than=saved + 1, nodes=nodes)
    assert [node.wait(timeout=SECONDS) for node in nodes] == [0, 0], output(tmp_path)

    (run,) = (tmp_path / "runs" / "demo").iterdir()
    assert run.name.endswith("_vclr-1")
    training = json.loads((run / "results.json").read_text())["training"]
    assert (training["processes"], training["steps"]) == (4, 2 * EPOCHS)
    with (run / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert steps == list(range(2 * EPOCHS))
    assert "continuing from" in (tmp_path / "first.log").read_text() + (tmp_path / "second_again.log").read_text()
