"""A run goes on at its place in the schedule with other batches, other accumulation or another number of processes."""

from __future__ import annotations

import csv
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.test_train import SMALL

from vclr_pl.runner.run import run
from vclr_pl.train import train

EPOCHS, STOPPED_AFTER, STOPPED_STEPS = 4, 2, 10  # 20 videos, 4 a batch
REFERENCE_LR = 0.02 / 32  # of the demo, for one video


def command(places: Path, name: str, *more: str) -> list[str]:
    shown = ["evaluation.enabled=false", "callback.knn_monitor.every_n_epochs=0", "page=null"]
    paths = [f"paths.data={places / 'data'}", f"paths.runs={places / 'runs'}", f"hydra.run.dir={places / 'runs' / name}"]
    return [*SMALL, *shown, *paths, *more]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a run of two of four epochs."""
    folder = tmp_path_factory.mktemp("resumed")
    stop = f"+callback.interruption={{_target_: tests.integration.interruption.Interruption, epoch: {STOPPED_AFTER}}}"
    assert run(train, config_name="train", arguments=command(folder, "stopped", stop)) == 1
    return folder


def rates(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [float(row["train/lr"]) for row in csv.DictReader(file) if row["train/lr"]]


def expected_rates(*, steps_per_epoch: int, videos_per_step: int) -> list[float]:
    """Half a cosine over epochs 1 to 4, at the places that are left."""
    places = [STOPPED_AFTER + step / steps_per_epoch for step in range((EPOCHS - STOPPED_AFTER) * steps_per_epoch)]
    return [REFERENCE_LR * videos_per_step * (1 + math.cos(math.pi * (place - 1) / (EPOCHS - 1))) / 2 for place in places]


@pytest.mark.parametrize(
    ("more", "steps_per_epoch", "videos_per_step"),
    [
        (["loader.batch_size=2"], 10, 2),
        (["loader.batch_size=10"], 2, 10),
        (["trainer.accumulate_grad_batches=2"], 3, 8),
        (["trainer=ddp_cpu", "loader.batch_size=5"], 2, 10),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_the_rate_and_the_count_follow_the_epochs(places: Path, more: list[str], steps_per_epoch: int, videos_per_step: int) -> None:
    name = f"resumed_{steps_per_epoch}_{videos_per_step}_{len(more)}"
    arguments = command(places, name, f"resume={places / 'runs' / 'stopped'}", *more)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "vclr_pl.train", *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rates(places / "runs" / name) == pytest.approx(expected_rates(steps_per_epoch=steps_per_epoch, videos_per_step=videos_per_step))
    total = STOPPED_STEPS + (EPOCHS - STOPPED_AFTER) * steps_per_epoch
    counted = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("step ")]
    assert counted[0] == f"{STOPPED_STEPS + 1}/{total}"
    assert counted[-1] == f"{total}/{total}"
    assert (
        f"steps: {steps_per_epoch} an epoch, {total} in all, {STOPPED_STEPS} of them done, {videos_per_step} videos a step" in done.stdout
    )
