"""A run that continues inside an epoch on another number of processes, or with another batch size."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.integration.interruption import diary
from tests.integration.test_continuation import QUIET
from tests.integration.test_train import SMALL

VIDEOS, EPOCHS = 40, 2
REFERENCE_LR = 0.02 / 32  # of the demo, for one video
TWO = ["trainer=ddp_cpu", "trainer.precision=32-true"]
LARGER = ["data.train_videos_per_class=4", "queue.inter.length=512", "queue.segment.length=128", "schedule.warmup_epochs=0"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("devices")


def started(places: Path, name: str, *more: str, resume: str = "", stop: int | None = None, returns: int = 0) -> str:
    """Run the command; it stops after optimizer step `stop`. Returns what it printed."""
    folder = places / "runs" / name
    options = [*SMALL, *QUIET, *LARGER, f"paths.data={places / 'data'}", f"paths.runs={places / 'runs'}", f"hydra.run.dir={folder}"]
    options += [f"+callback.diary={{_target_: tests.integration.interruption.Diary, path: {places / name}}}"]
    if stop is not None:
        copies = f"_target_: tests.integration.interruption.Copies, folder: {folder}, stop_after: {stop}"
        options += [f"+callback.copies={{{copies}}}"]
    options += [f"resume={places / 'runs' / resume}"] if resume else []
    program = [sys.executable, "-m", "vclr_pl.train", *options, *more]
    modules = [str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]  # the callbacks are those of the tests
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(modules)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if stop is None:
        assert done.returncode == returns, done.stdout + done.stderr
    else:
        assert (folder / f"step_{stop:04}.ckpt").is_file(), done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def first(places: Path) -> str:
    """One process, four videos and two of them accumulated, two steps of five."""
    started(places, "first", "trainer.accumulate_grad_batches=2", stop=2)
    return "first"


def rates(lines: list[dict[str, Any]]) -> list[float]:
    """Learning rate with which each optimizer step was done. The diary has the rate after it."""
    return [line["lr"][0] for line in lines]


def expected_rate(epochs: float, *, videos: int) -> float:
    return REFERENCE_LR * videos * (1 + math.cos(math.pi * epochs / EPOCHS)) / 2


def test_one_two_one_processes(places: Path, first: str) -> None:
    printed = started(places, "second", *TWO, "trainer.accumulate_grad_batches=2", resume=first, stop=4)
    assert "1 accumulated batches keep 8 videos a step: 2 x 4 videos on as many devices, 1 before" in printed
    printed = started(places, "third", "trainer.accumulate_grad_batches=2", resume="second")
    assert "accumulated batches" not in printed  # two, as given
    ranks = {"first": [0], "second": [0, 1], "third": [0]}
    lines = [(name, line) for name in ranks for line in diary(places / name)]
    for epoch in range(EPOCHS):
        seen = [
            index
            for name in ranks
            for rank in ranks[name]
            for line in diary(places / name, rank=rank)
            if line["epoch"] == epoch
            for index in line["videos"]
        ]
        assert sorted(seen) == list(range(VIDEOS))
    steps = {line["step"]: line["lr"][0] for _, line in lines}
    assert [steps[step] for step in range(1, 11)] == pytest.approx([expected_rate(step / 5, videos=8) for step in range(1, 11)])
    queues = [
        torch.load(places / "runs" / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for name in ("first", "second")
    ]
    rows, pointers = ([queue[f"queues.segment.{part}"] for queue in queues] for part in ("rows", "pointer"))
    assert pointers[1] > pointers[0] > 0
    assert torch.equal(rows[0][: pointers[0]], rows[1][: pointers[0]])
    assert torch.equal(rows[0][pointers[1] :], rows[1][pointers[1] :])
    assert not torch.equal(rows[0], rows[1])


def test_a_larger_batch_in_the_middle_of_an_epoch(places: Path, first: str) -> None:
    """16 videos were seen in steps of 8; 24 are left, of which a step of 16 takes 16; the next epoch has two steps."""
    started(places, "larger", "loader.batch_size=16", resume=first)
    lines = diary(places / "larger")
    assert [(line["epoch"], len(line["videos"])) for line in lines] == [(0, 16), (1, 16), (1, 16)]
    seen = [index for name in (first, "larger") for line in diary(places / name) if line["epoch"] == 0 for index in line["videos"]]
    assert len(seen) == len(set(seen)) == 32
    assert rates(lines) == pytest.approx([expected_rate(place, videos=16) for place in (1.0, 1.5, 2.0)])


def test_devices_that_do_not_divide_the_batch_are_told(places: Path, first: str) -> None:
    printed = started(places, "three", *TWO, "trainer.accumulate_grad_batches=2", "trainer.devices=3", resume=first, returns=2)
    assert "expected devices that share 8 videos a step" in printed
    assert "Set loader.batch_size=3, for 9 videos a step, or use 1 again" in printed
    assert "Traceback" not in printed


def test_one_process_and_two_keep_the_global_batch(places: Path) -> None:
    """40 videos in steps of 12: three steps an epoch, the rate of 12 videos, on one process with three batches of 4 and on two with 6 each
    in batches of 3."""
    whole = ["loader.global_batch_size=12"]
    one = started(places, "one", "loader.batch_size=4", *whole)
    two = started(places, "two", *TWO, "loader.batch_size=3", *whole)
    assert "12 videos a step: 1 device x 4 videos x 3 accumulated batches (loader.global_batch_size)" in one
    assert two.count("12 videos a step: 2 devices x 3 videos x 2 accumulated batches (loader.global_batch_size)") == 1
    expected = [expected_rate(step / 3, videos=12) for step in range(1, 7)]
    for name, batches in (("one", 3), ("two", 2)):
        lines = diary(places / name)
        steps = {line["step"]: line["lr"][0] for line in lines}
        assert [steps[step] for step in range(1, 7)] == pytest.approx(expected)
        assert len(lines) == EPOCHS * 3 * batches
        assert max(steps) == 6
    seen = [
        {tuple(sorted(index for line in lines if line["epoch"] == epoch for index in line["videos"])) for epoch in range(EPOCHS)}
        for lines in (diary(places / "one"), [*diary(places / "two"), *diary(places / "two", rank=1)])
    ]
    assert seen[0] == seen[1]
