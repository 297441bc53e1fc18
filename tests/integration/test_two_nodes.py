"""torchrun on two nodes of two processes, each in a network namespace of its own: one is late, and one is lost and comes back."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.documentation.documented_commands import FENCE, ROOT
from tests.integration.test_slurm import TINY
from tests.network_namespaces import Machine, activated, missing, two_machines

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


def manifest() -> tuple[dict[str, Any], dict[str, Any]]:
    """The Service and the Job of docs/cluster.md."""
    (block,) = [block for block in FENCE.findall((ROOT / "docs" / "cluster.md").read_text()) if block.startswith("apiVersion")]
    service, job = yaml.safe_load_all(block)
    return service, job


def test_the_manifest_fits_together() -> None:
    service, job = manifest()
    template = job["spec"]["template"]
    (container,) = template["spec"]["containers"]
    name, pods = job["metadata"]["name"], job["spec"]["completions"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["parallelism"] == pods
    assert {f"--nnodes={pods}", f"trainer.num_nodes={pods}"} <= set(container["command"])
    assert f"--nproc-per-node={container['resources']['limits']['nvidia.com/gpu']}" in container["command"]
    assert f"--rdzv-endpoint={name}-0.{template['spec']['subdomain']}:{PORT}" in container["command"]
    assert template["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert {volume["name"] for volume in template["spec"]["volumes"]} == {mount["name"] for mount in container["volumeMounts"]}
    assert job["spec"]["backoffLimit"] > 0
    assert template["spec"]["restartPolicy"] == "Never"  # asked for by podFailurePolicy


def test_the_command_of_the_manifest_trains_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    """In one pod: a node of two processes, on the CPU."""
    (container,) = manifest()[1]["spec"]["template"]["spec"]["containers"]
    here = {"--nnodes=2": "--nnodes=1", "--nproc-per-node=8": "--nproc-per-node=2", "trainer.num_nodes=2": "trainer.num_nodes=1"}
    here |= {f"--rdzv-endpoint=vclr-0.vclr:{PORT}": "--rdzv-endpoint=localhost:0", "paths.runs=/runs": f"paths.runs={tmp_path / 'runs'}"}
    assert here.keys() <= set(container["command"])
    words = [here.get(word, word) for word in container["command"] if word not in ("experiment=ucf101", "data.root=/data")]
    words += [*TINY, "trainer.max_epochs=1", "trainer.devices=2", f"paths.data={tmp_path / 'data'}"]
    environment = {**activated(), **{variable["name"]: variable["value"] for variable in container["env"]}}
    for said in ("steps: 5 an epoch", "has finished"):
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    (run,) = (tmp_path / "runs" / "demo").iterdir()
    assert json.loads((run / "results.json").read_text())["training"]["processes"] == 2
