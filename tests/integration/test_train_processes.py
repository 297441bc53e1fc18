"""Two processes on the CPU, as a user starts them: one run folder, one voice, the whole data, and an end when one of them fails."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tests.integration.failing_rank import failing
from tests.integration.test_train import SMALL

import vclr_pl

PLACES = [str(Path(__file__).parents[2]), str(Path(vclr_pl.__file__).parents[1])]  # the tests, and the package that they test
TWO = ["trainer=ddp_cpu", "trainer.max_epochs=1", "loader.batch_size=2", "trainer.precision=32-true"]


def command(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    arguments, environment = program(folder, *more)
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False)


def program(folder: Path, *more: str) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment."""
    environment = {**os.environ, "HYDRA_FULL_ERROR": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(PLACES)}
    small = [part for part in SMALL if not part.startswith(("trainer=", "trainer.max_epochs", "loader.batch_size"))]
    arguments = [
        sys.executable,
        "-m",
        "vclr_pl.train",
        *small,
        *TWO,
        f"paths.data={folder / 'data'}",
        f"paths.runs={folder / 'runs'}",
        *more,
    ]
    return arguments, environment


def test_two_processes_are_one_run(tmp_path):
    done = command(tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (run,) = (tmp_path / "runs" / "demo").iterdir()
    results = json.loads((run / "results.json").read_text())
    assert results["training"] == {"epochs": 1, "steps": 5, "processes": 2, "verdict": "too short to say", "exported_step": 5}
    assert set(results["metrics"]) == set(results["baseline"])
    assert done.stdout.count("steps: 5 an epoch, 5 in all, 4 videos a step") == 1
    assert done.stdout.count("demo, seed 0") == 1


def test_bad_input_that_only_the_processes_find_ends_both(tmp_path):
    """The queue's length is checked when the number of processes is known, which is after the second one has started."""
    done = command(tmp_path, "queue.inter.length=12")
    assert done.returncode == 2, done.stderr
    assert "error: expected a queue longer than the 12 keys" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("how", "rank", "code", "said"),
    [("raise", 1, 1, "ValueError: private"), ("kill", 1, 1, "rank 1 was ended from outside"), ("raise", 0, 1, "ValueError: private")],
)
def test_a_rank_that_fails_alone_ends_both(tmp_path, how, rank, code, said):
    """`command` waits for the end of its output, which both processes hold."""
    done = command(tmp_path, "evaluation.enabled=false", failing(how, rank=rank))
    assert done.returncode == code
    assert said in done.stderr
    assert f"[rank{1 - rank}]" not in done.stderr
    assert f"[rank {1 - rank}]" not in done.stderr


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_rank_does_not_outlive_the_one_that_has_started_it(tmp_path, number):
    """Before they are connected the second waits for the first, for half an hour by torch's own limit."""
    arguments, environment = program(tmp_path, "evaluation.enabled=false")
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        until = time.monotonic() + 120
        while not (others := ranks_in(tmp_path) - {first.pid}) and time.monotonic() < until:
            time.sleep(0.05)
        assert others
        first.send_signal(number)
    until = time.monotonic() + 120
    while ranks_in(tmp_path) and time.monotonic() < until:
        time.sleep(0.2)
    assert not ranks_in(tmp_path)


def ranks_in(folder: Path) -> set[int]:
    """Processes of the command of this folder."""
    found = set()
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            with contextlib.suppress(OSError):
                words = (one / "cmdline").read_bytes()
                if b"vclr_pl.train" in words and str(folder).encode() in words:
                    found.add(int(one.name))
    return found


def test_one_signalled_rank_stops_both_with_a_checkpoint(tmp_path):
    done = command(tmp_path, "evaluation.enabled=false", "trainer.max_epochs=3", failing("stop", batch=7))
    assert done.returncode == 143, done.stderr
    assert "stopped by SIGTERM" in done.stderr
    (saved,) = (tmp_path / "runs").rglob("last.ckpt")
    assert torch.load(saved, weights_only=False)["global_step"] == 8
    assert not list((tmp_path / "runs").rglob("*.unfinished"))


def test_a_rank_that_stops_alone_while_videos_are_read_returns_the_job_to_its_queue(tmp_path, in_slurm):
    """In the evaluation of the start, where each rank stops at its next video, and the other waits for its features."""
    done = command(tmp_path, failing("warn"), "resume=auto")
    assert done.returncode == 0, done.stderr
    assert (in_slurm / "asked").read_text() == "requeue 42\n"
    assert done.stderr == "stopped by SIGUSR1; SLURM job 42 is in the queue again\n"


def test_ctrl_c_in_a_terminal_stops_the_job_of_a_sweep_once(tmp_path):
    """A terminal sends it to the sweep and to the job's processes; twice would end the job without a checkpoint."""
    arguments, environment = program(tmp_path, "evaluation.enabled=false", "trainer.max_epochs=1000", "-m")
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, text=True, start_new_session=True, **pipes) as sweep:
        until = time.monotonic() + 120
        while not list((tmp_path / "runs").rglob("last.ckpt")) and time.monotonic() < until:
            time.sleep(0.1)
        os.killpg(sweep.pid, signal.SIGINT)
        _, said = sweep.communicate(timeout=120)
    assert sweep.returncode == 130, said
    assert said.count("stopped by SIGINT") == 2, said  # the job's own word, and that of the sweep


def test_the_next_job_of_a_sweep_runs(tmp_path):
    done = command(tmp_path, "evaluation.enabled=false", failing("raise").replace(", batch: 2", ""), "+callback.failing.batch=2,200", "-m")
    assert done.returncode, done.stderr
    assert "ValueError: private" in done.stderr
    (finished,) = (tmp_path / "runs").rglob("results.json")
    assert finished.parent.name == "1"
