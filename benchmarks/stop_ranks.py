"""A signal to a run of several processes: until all are gone, what is saved, what is left.

    python benchmarks/stop_ranks.py --times 20                  # SIGTERM to all processes of a run with two ranks
    python benchmarks/stop_ranks.py --times 5 --to first --signal INT

Prints one JSON line a run, and the number of runs that ended well: the signal's exit code, a checkpoint of the last step, no process, no
temporary file.
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

import vclr_pl

SMALL = [
    *("data.train_videos_per_class=4", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=32", "transform.size_pixels=32"),
    *("backbone.widths=[8,16]", "head.dim=8", "queue.inter.length=48", "queue.segment.length=48", "loader.batch_size=2"),
    *("trainer.precision=32-true", "trainer.max_epochs=100000", "evaluation.enabled=false", "callback.knn_monitor.every_n_epochs=0"),
    "loader.workers=1",
]
LONGEST_SECONDS = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--signal", choices=("TERM", "INT", "USR1"), default="TERM")
    parser.add_argument("--to", choices=("all", "first", "last"), default="all", help="processes that get the signal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="*", help="options of vclr_pl.train")
    given = parser.parse_args()
    draw, good, slowest = random.Random(given.seed), 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.times):
            found = stopped_run(Path(folder), given, wait_seconds=draw.uniform(0.0, 3.0))
            print(json.dumps(found), flush=True)
            good += found["good"]
            slowest = max(slowest, found["seconds"])
    print(f"{good} of {given.times} ended well; the slowest took {slowest:.1f} s")


def stopped_run(folder: Path, given: argparse.Namespace, *, wait_seconds: float) -> dict[str, Any]:
    """Start a run, signal it after its start and `wait_seconds`, and look at what it leaves."""
    run, number = folder / f"run_{time.time_ns()}", signal.Signals[f"SIG{given.signal}"]
    places = [f"paths.data={folder / 'data'}", f"paths.runs={folder / 'runs'}", f"hydra.run.dir={run}"]
    command = [sys.executable, "-m", "vclr_pl.train", "trainer=ddp_cpu", f"trainer.devices={given.ranks}", *SMALL, *places, *given.options]
    source = str(Path(vclr_pl.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
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
        ranks = [started.pid, *(process for process, parent in session(started.pid).items() if parent == started.pid and is_rank(process))]
        for process in {"all": ranks, "first": ranks[:1], "last": ranks[-1:]}[given.to]:
            os.kill(process, number)
        begun = time.perf_counter()
        while session(started.pid) and time.perf_counter() - begun < LONGEST_SECONDS:
            started.poll()
            time.sleep(0.02)
        seconds = time.perf_counter() - begun
        left = len(session(started.pid))
        if left:
            os.killpg(started.pid, signal.SIGKILL)
        output.append(started.stdout.read())
    drafts = [path.name for path in run.rglob("*unfinished*")]
    saved = run / "checkpoints" / "last.ckpt"
    step = torch.load(saved, map_location="cpu", weights_only=False)["global_step"] if saved.is_file() else None
    good = started.returncode == 128 + number and not left and not drafts and step is not None and seconds < 10.0
    found = {"good": good, "code": started.returncode, "seconds": round(seconds, 2), "step": step, "left": left, "drafts": drafts}
    return found if good else {**found, "output": "".join(output)[-3000:]}


def session(leader: int) -> dict[int, int]:
    """Processes of this session that run, and their parents."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent, _, of_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(of_session) == leader and state != "Z":
                found[int(entry.name)] = int(parent)
    return dict(sorted(found.items()))


def is_rank(process: int) -> bool:
    """A rank that the first has started; its environment is that of its start. A loader's worker is forked."""
    return b"\0LOCAL_RANK=" in Path(f"/proc/{process}/environ").read_bytes()


if __name__ == "__main__":
    main()
