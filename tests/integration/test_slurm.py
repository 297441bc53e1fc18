"""A real SLURM runs the script of docs/cluster.md as it is shipped: preempted, warned ahead of its time limit, failing, as an array."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.documentation.documented_commands import FENCE, ROOT
from tests.slurm_cluster import SlurmCluster, missing, slurm_cluster

TINY = [
    *("data=demo", "data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=32"),
    *("transform.size_pixels=32", "backbone.widths=[8,16]", "head.dim=8", "queue.inter.length=48", "queue.segment.length=16"),
    *("loader.workers=0", "loader.batch_size=2", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.log_every_n_steps=1"),
    *("evaluation.enabled=false", "callback.knn_monitor.every_n_epochs=0", "runtime.threads=1", "page=null"),
]
SECONDS = 240  # for four processes to start on two busy cores
EPOCHS = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    absent = missing()
    if absent is not None:
        pytest.skip(absent)
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The job script of the page, byte by byte."""
    (shipped,) = [block for block in FENCE.findall((ROOT / "docs" / "cluster.md").read_text()) if block.startswith("#!/bin/bash")]
    path = tmp_path / "train.sbatch"
    path.write_text(shipped)
    return path


def words(folder: Path, *more: str) -> list[str]:
    return [*TINY, f"paths.data={folder.parent / 'data'}", f"paths.runs={folder / 'runs'}", *more]


def tasks(number: int) -> tuple[str, ...]:
    """Options of sbatch that fit the script to this machine."""
    return (f"--ntasks-per-node={number}", f"--gpus-per-node={number}", "--cpus-per-task=1")


def the_run(folder: Path) -> Path:
    """The only run folder."""
    (run,) = (folder / "runs" / "demo").iterdir()
    return run


def wait_for_checkpoint(cluster: SlurmCluster, job: str, folder: Path, *, newer_than: float = 0.0) -> float:
    """Wait until the run has written its newest checkpoint; the time of its file."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = [path.stat().st_mtime for path in folder.glob("runs/demo/*/checkpoints/last.ckpt")]
        if found and max(found) > newer_than:
            return max(found)
        assert cluster.job(job)["JobState"] in ("PENDING", "CONFIGURING", "RUNNING"), output(folder)
        time.sleep(0.1)
    raise AssertionError(output(folder))


def output(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.glob("slurm-*.out")))


def start_again(cluster: SlurmCluster, job: str) -> None:
    """SLURM holds a requeued job back for two minutes; an administrator does not.

    slurmd compares the times of a job's end and of its new start in whole seconds, and refuses a start in the same one.
    """
    cluster.wait(job, until=("PENDING",), seconds=SECONDS)
    time.sleep(2)
    done = cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now")
    assert done.returncode == 0, done.stderr


def test_a_job_of_four_tasks_continues_after_its_time_limit_and_a_preemption(cluster: SlurmCluster, script: Path, tmp_path: Path) -> None:
    """SIGUSR1 is what `--signal=USR1@300` sends ahead of the time limit; a job of a higher partition preempts as on any cluster."""
    job = cluster.submit(script, *words(tmp_path, f"trainer.max_epochs={EPOCHS}", "trainer.devices=4"), options=tasks(4))
    first = wait_for_checkpoint(cluster, job, tmp_path)
    cluster.run("scancel", "--signal=USR1", job)
    start_again(cluster, job)
    assert cluster.job(job)["Restarts"] == "1", output(tmp_path)
    assert f"stopped by SIGUSR1; SLURM job {job} is in the queue again" in output(tmp_path)

    wait_for_checkpoint(cluster, job, tmp_path, newer_than=first + 1)
    (tmp_path / "urgent.sh").write_text("#!/bin/bash\n")
    urgent = cluster.submit(tmp_path / "urgent.sh", options=("--partition=urgent", "--ntasks=8"))
    cluster.wait(urgent, seconds=SECONDS)
    start_again(cluster, job)
    assert cluster.wait(job, seconds=SECONDS)["Restarts"] == "2", output(tmp_path)

    run = the_run(tmp_path)
    assert run.name.endswith(f"slurm{job}")
    assert json.loads((run / "results.json").read_text())["training"]["processes"] == 4
    with (run / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert steps == list(range(EPOCHS * 2)), steps  # 20 videos, 4 x 2 a step


def test_a_task_that_is_killed_ends_the_job(cluster: SlurmCluster, script: Path, tmp_path: Path) -> None:
    """As by the kernel when memory runs out. The job fails, and is not started again."""
    job = cluster.submit(script, *words(tmp_path, "trainer.max_epochs=100000", "trainer.devices=2"), options=tasks(2))
    wait_for_checkpoint(cluster, job, tmp_path)
    os.kill(task_of(tmp_path, rank=1), signal.SIGKILL)
    ended = cluster.wait(job, until=("FAILED",), seconds=30)
    assert ended["ExitCode"] == "137:0"
    assert "task 1: Killed" in output(tmp_path)


def task_of(folder: Path, *, rank: int) -> int:
    """The process of a rank, by its command line and the variable that SLURM gave it; its forks have the same, and higher numbers."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables, command = (process / "environ").read_bytes().split(b"\0"), (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if (
            f"SLURM_PROCID={rank}".encode() in variables
            and f"paths.runs={folder / 'runs'}".encode() in command
            and b"srun" not in command[0]
        ):
            found.append(int(process.name))
    return min(found)


def documented_sweep() -> list[str]:
    """The options of the page's command that start the array."""
    (block,) = [block for block in FENCE.findall((ROOT / "docs" / "cluster.md").read_text()) if "hydra/launcher=submitit_slurm" in block]
    own = ("hydra.launcher.", "experiment=", "data.root=", "seed=")  # sizes of a cluster, and data
    return [word for word in block.partition("vclr_pl.train")[2].split() if word != "\\" and not word.startswith(own)]


def test_a_sweep_is_an_array_of_jobs(cluster: SlurmCluster, tmp_path: Path) -> None:
    """hydra-submitit-launcher submits the jobs, waits for them, and the sweep's table has all results.

    Both are preempted, and one is warned ahead of its time limit, by the launcher's SIGUSR2: they save, return to the queue and continue.
    """
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="no hydra-submitit-launcher (extra: slurm)")
    swept = [*documented_sweep(), "seed=0,1", "hydra.launcher.partition=normal", "hydra.launcher.timeout_min=30"]
    one = [*words(tmp_path, "trainer.max_epochs=20"), "trainer=cpu"]
    command, pipes = [sys.executable, "-m", "vclr_pl.train", *swept, *one], {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=tmp_path, env=cluster.environment, text=True, **pipes) as sweep:
        try:
            first, second = array_of(cluster, tmp_path)
            wait_for_checkpoints(tmp_path, newer_than=0.0)
            (tmp_path / "urgent.sh").write_text("#!/bin/bash\n")
            urgent = cluster.submit(tmp_path / "urgent.sh", options=("--partition=urgent", "--ntasks=8"))
            cluster.wait(urgent, seconds=SECONDS)
            again = time.time()
            for number in (first, second):
                start_again(cluster, number)
            wait_for_checkpoints(tmp_path, newer_than=again)
            cluster.run("scancel", "--signal=USR2", first)
            start_again(cluster, first)
            said, _ = sweep.communicate(timeout=2 * SECONDS)
        finally:
            sweep.kill()
    assert sweep.returncode == 0, said
    (folder,) = (tmp_path / "runs" / "demo").iterdir()
    assert [yaml.safe_load((folder / number / "config.yaml").read_text())["seed"] for number in "01"] == [0, 1]
    for number in "01":
        with (folder / number / "metrics.csv").open() as file:
            assert [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]] == list(range(200)), said
        assert (folder / number / "results.json").is_file(), said
    jobs = {path.name.split("_")[0] for path in (folder / ".submitit").iterdir() if path.name[0].isdigit()}
    assert len(jobs) == 1  # one array


def array_of(cluster: SlurmCluster, folder: Path) -> tuple[str, str]:
    """The two jobs of the only array, by the folder that the launcher makes for it."""
    wait_for(lambda: bool(list(folder.glob("runs/demo/*/.submitit/[0-9]*_0"))), seconds=SECONDS)
    (job,) = folder.glob("runs/demo/*/.submitit/[0-9]*_0")
    number = job.name.partition("_")[0]
    return f"{number}_0", f"{number}_1"


def wait_for_checkpoints(folder: Path, *, newer_than: float) -> None:
    """Wait until both jobs of the array have written one."""

    def written() -> bool:
        found = list(folder.glob("runs/demo/*/[01]/checkpoints/last.ckpt"))
        return len(found) == 2 and min(path.stat().st_mtime for path in found) > newer_than

    wait_for(written, seconds=SECONDS)


def wait_for(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
