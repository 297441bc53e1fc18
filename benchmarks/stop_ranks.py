"""A signal to a run of several processes: until all are gone, what is saved, what is left.

    python benchmarks/stop_ranks.py --times 20                  # SIGTERM to all processes of a run with two ranks
    python benchmarks/stop_ranks.py --times 20 --json benchmarks/results/stop_ranks_<hardware>_<yyyymm>.json
    python benchmarks/stop_ranks.py --times 5 --to first --signal INT
    python benchmarks/stop_ranks.py --to last --signal KILL --launch single sweep torchrun      # one rank fails
    python benchmarks/stop_ranks.py --to last --signal KILL --launch srun       # on a cluster: python -m tests.slurm_cluster FOLDER

Prints one JSON line a run, and the number of runs that ended well: in less than 10 s, with the signal's exit code, a checkpoint of the last
step, no process, no temporary file. After SIGKILL: a code other than 0, no process. In a sweep the time is that until the processes of the
first job are gone; its second job is stopped then. Exits with 1 if a run did not end well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from killed_command import MARK, marked

import vclr_pl

SMALL = [
    *("data.train_videos_per_class=4", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=32", "transform.size_pixels=32"),
    *("backbone.widths=[8,16]", "head.dim=8", "queue.inter.length=48", "queue.segment.length=48", "loader.batch_size=2"),
    *("trainer.precision=32-true", "trainer.max_epochs=100000", "evaluation.enabled=false", "callback.knn_monitor.every_n_epochs=0"),
    "loader.workers=1",
]
LONGEST_SECONDS, SECONDS_TO_STOP, SECONDS_AFTER_A_FAILURE = 120.0, 10.0, 30.0
LAUNCHES = {
    "single": ["{python}"],
    "sweep": ["{python}"],
    "torchrun": ["{python}", "-m", "torch.distributed.run", "--nproc-per-node={ranks}"],
    "srun": ["srun", "--ntasks-per-node={ranks}", "--kill-on-bad-exit=1", "{python}"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--signal", choices=("TERM", "INT", "USR1", "KILL"), default="TERM")
    parser.add_argument("--launch", nargs="+", choices=list(LAUNCHES), default=["single"])
    parser.add_argument("--to", choices=("all", "first", "last"), default="all", help="processes that get the signal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("options", nargs="*", help="options of vclr_pl.train")
    given = parser.parse_args()
    draw, runs = random.Random(given.seed), list[dict[str, Any]]()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        for launch in given.launch * given.times:
            runs.append(stopped_run(Path(folder), given, launch=launch, wait_seconds=draw.uniform(0.0, 3.0)))
            print(json.dumps(runs[-1]), flush=True)
            if given.json:
                given.json.write_text(json.dumps(record(runs, given, load_before=load), indent=1) + "\n")
    good, slowest = sum(run["good"] for run in runs), max(run["seconds"] for run in runs)
    print(f"{good} of {len(runs)} ended well; the slowest took {slowest:.1f} s")
    return int(good < len(runs))


def record(runs: list[dict[str, Any]], given: argparse.Namespace, *, load_before: tuple[float, float, float]) -> dict[str, Any]:
    """What the file has: the question, the machine and every run."""
    asked = {name: getattr(given, name) for name in ("ranks", "signal", "to", "seed", "options")}
    machine = {"cores": len(os.sched_getaffinity(0)), "torch": torch.__version__, "load_before": load_before, "load_after": os.getloadavg()}
    return {**asked, **machine, "good": sum(run["good"] for run in runs), "runs": runs}


def stopped_run(folder: Path, given: argparse.Namespace, *, launch: str, wait_seconds: float) -> dict[str, Any]:
    """Start a run, signal it after its start and `wait_seconds`, and look at what it leaves."""
    run, number, mark = folder / f"run_{time.time_ns()}", signal.Signals[f"SIG{given.signal}"], f"{os.getpid()}_{time.time_ns()}"
    places = [f"paths.data={folder / 'data'}", f"paths.runs={folder / 'runs'}"]
    places += [f"hydra.sweep.dir={run}", "-m", "seed=0,1"] if launch == "sweep" else [f"hydra.run.dir={run}"]
    words = ["-m", "vclr_pl.train", "trainer=ddp_cpu", f"trainer.devices={given.ranks}", *SMALL, *places, *given.options]
    command = [word.format(ranks=given.ranks, python=sys.executable) for word in LAUNCHES[launch]] + words
    environment = {**os.environ, "PYTHONPATH": str(Path(vclr_pl.__file__).parents[1]), "OMP_NUM_THREADS": "1", MARK: mark}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as started:
        assert started.stdout is not None
        output = []
        for line in started.stdout:
            output.append(line)
            if line.startswith("step "):
                break
        time.sleep(wait_seconds)
        ranks = [process for process in marked(mark) if is_rank(process) and not (launch == "sweep" and process == started.pid)]
        for process in {"all": ranks, "first": ranks[:1], "last": ranks[-1:]}[given.to]:
            os.kill(process, number)
        begun, of_the_run = time.perf_counter(), set(ranks) if launch == "sweep" else set(marked(mark))
        while of_the_run & set(marked(mark)) and time.perf_counter() - begun < LONGEST_SECONDS:
            started.poll()
            time.sleep(0.02)
        seconds = time.perf_counter() - begun
        left = len(of_the_run & set(marked(mark)))
        for process in marked(mark):
            os.kill(process, signal.SIGKILL)
        output.append(started.stdout.read())
    drafts = [path.name for path in run.rglob("*unfinished*")]
    saved = run / "checkpoints" / "last.ckpt"
    step = torch.load(saved, map_location="cpu", weights_only=False)["global_step"] if saved.is_file() else None
    good = started.returncode != 0 if given.signal == "KILL" else started.returncode == 128 + number and not drafts and step is not None
    good = (
        good
        and len(ranks) == given.ranks
        and not left
        and seconds < (SECONDS_AFTER_A_FAILURE if given.signal == "KILL" else SECONDS_TO_STOP)
    )
    found: dict[str, Any] = {"launch": launch, "good": good, "code": started.returncode, "seconds": round(seconds, 2), "step": step}
    found |= {"left": left, "drafts": drafts}
    return found if good else {**found, "output": "".join(output)[-3000:]}


def is_rank(process: int) -> bool:
    """True for a process of training itself: not its launcher, not a loader's worker, which has the words and variables of its parent."""
    try:
        words, variables = started_with(process)
        parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        is_fork = (words, variables) == started_with(parent)
        threads = len(list(Path(f"/proc/{process}/task").iterdir()))
    except OSError:
        return False
    is_launcher = b"torch.distributed.run" in words or words[0].endswith(b"srun")
    return b"vclr_pl.train" in words and not is_launcher and threads > 1 and not is_fork


def started_with(process: int) -> tuple[list[bytes], bytes]:
    """The command line and the environment of a process's start."""
    return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0"), Path(f"/proc/{process}/environ").read_bytes()


if __name__ == "__main__":
    sys.exit(main())
