"""A plan says what the run then needs, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.test_train import command
from tests.video_fixture import copies

from vclr_pl.callback.trial import workers_seconds
from vclr_pl.files import available_cores
from vclr_pl.finetune import finetune
from vclr_pl.runner.run import run
from vclr_pl.train import train

LARGER = ["backbone.widths=[32,64,128]", "page=null"]  # so that logs and pictures are a small part of the disk


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def ran(places: Path) -> Path:
    assert run(train, config_name="train", arguments=command(places, "run", *LARGER)) == 0
    return places / "runs" / "run"


def megabytes(text: str, pattern: str) -> float:
    amount, unit = re.search(pattern, text).groups()  # type: ignore[union-attr]
    return float(amount) * {"kB": 1e-3, "MB": 1.0, "GB": 1e3}[unit]


def test_the_plan_of_a_pretraining_is_what_the_run_needs(ran: Path, places: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = (ran / "train.log").read_text()
    before = {path for path in places.rglob("*") if "data" not in path.relative_to(places).parts}
    assert run(train, config_name="train", arguments=command(places, "planned", *LARGER, "plan=true")) == 0
    assert {path for path in places.rglob("*") if "data" not in path.relative_to(places).parts} == before
    plan = capfd.readouterr().out
    for text in (log, plan):
        assert "videos: 20 for training, 10 for testing; 0:08 of training video, median 0.4 s" in text
        assert "steps: 5 an epoch, 20 in all, 4 videos a step" in text
    assert "step 20/20" in log
    checkpoints = [path.stat().st_size for path in (ran / "checkpoints").iterdir()]
    assert f"disk: {len(checkpoints)} checkpoints of " in plan
    assert megabytes(plan, r"checkpoints of ([\d.]+) (\wB)") == pytest.approx(max(checkpoints) / 1e6, rel=0.1)
    assert megabytes(plan, r", ([\d.]+) (\wB) in all") == pytest.approx(
        sum(path.stat().st_size for path in ran.rglob("*") if path.is_file()) / 1e6, rel=0.1
    )
    assert re.search(r"time: about \d+ s, until .*\d\d:\d\d; (reading videos|the network) limits the speed", plan)
    assert re.search(r"in it: 20 steps of \d\.\d\d s, 3 evaluations of about \d+ s", plan)  # random, after two epochs, and the last
    assert re.search(r"measured in \d+ steps? on 1 CPU process: [\d.]+ [MG]B of memory", plan)
    assert "decoding: " not in plan  # without workers


def test_the_plan_has_the_cores_that_decoding_needs(places: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = command(places, "planned", *LARGER, "loader.workers=1", "trainer.max_epochs=40", "plan=true")
    assert run(train, config_name="train", arguments=words) == 0
    plan = capfd.readouterr().out
    found = re.search(r"decoding: ([\d.]+) cores? of (\d+), for (\d+) videos/s of the network and ([\d.]+) ms of a core a video", plan)
    assert found is not None, plan
    needed, cores, rate, milliseconds = map(float, found.groups())
    assert needed == pytest.approx(rate * milliseconds / 1000, rel=0.1, abs=0.1)
    assert cores == available_cores()
    assert 0.1 < milliseconds < 10_000


def test_a_computed_plan_trains_nothing(ran: Path, places: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(train, config_name="train", arguments=command(places, "planned", *LARGER, "plan=computed")) == 0
    plan = capfd.readouterr().out
    for text in ("videos: 20 for training", "steps: 5 an epoch, 20 in all", "disk: ", "plan=true adds the time; without plan=computed"):
        assert text in plan
    for text in ("measured in", "time: ", "step 1/20", "decoding: "):
        assert text not in plan
    assert not (places / "runs" / "planned").exists()


def test_another_plan_is_refused(places: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(train, config_name="train", arguments=command(places, "planned", "plan=ture")) == 2
    assert "expected plan=true, plan=computed or plan=false; got plan=ture" in " ".join(capfd.readouterr().err.split())


def test_the_time_of_processes_below_this_one_is_counted() -> None:
    before = workers_seconds()
    assert before is not None
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            while scheduled_seconds(child.pid) < 0.3:
                time.sleep(0.02)
            after = workers_seconds()
            others = workers_seconds(without=frozenset({child.pid}))
        finally:
            child.kill()
    assert after is not None
    assert 0.25 <= after - before < 30  # in ticks of 10 ms
    assert others is not None
    assert after - others >= 0.25


def scheduled_seconds(process: int) -> float:
    """By the scheduler's own account, in nanoseconds."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def test_the_plan_of_a_longer_run_counts_the_steps_that_are_left(ran: Path, places: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = [word for word in command(places, "planned", *LARGER, "plan=true") if not word.startswith("trainer.max_epochs")]
    assert run(train, config_name="train", arguments=[*words, f"resume={ran}", "trainer.max_epochs=6"]) == 0
    assert "in it: 10 steps of " in capfd.readouterr().out


def test_the_plan_of_a_run_that_continues_by_itself(ran: Path, places: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Both kinds of plan find the checkpoint, as the start without a plan does, and leave it."""
    before = {path: path.read_bytes() for path in (ran / "checkpoints").iterdir()}
    words = [word for word in command(places, "run", *LARGER, "resume=auto") if not word.startswith("trainer.max_epochs")]
    assert run(train, config_name="train", arguments=[*words, "plan=true", "trainer.max_epochs=6"]) == 0
    assert "in it: 10 steps of " in capfd.readouterr().out
    assert run(train, config_name="train", arguments=[*words, "plan=computed", "trainer.max_epochs=4"]) == 0
    assert f"this run has finished: its results are in {ran / 'results.json'}" in capfd.readouterr().out.replace("\n", "")
    assert {path: path.read_bytes() for path in (ran / "checkpoints").iterdir()} == before


def test_the_plan_of_a_fine_tuning(places: Path, capfd: pytest.CaptureFixture[str]) -> None:
    copies(places / "videos" / split / kind / f"{kind}_{name}.mp4" for split in ("train", "test") for kind in "ab" for name in "12")
    words = [
        f"data.root={places / 'videos'}",
        "encoder=random",
        "backbone=small_resnet",
        "loader.batch_size=2",
        "loader.workers=1",
        "transform.size_pixels=32",
        "evaluation_view.crop_pixels=32",
        "trainer=cpu",
        "trainer.max_epochs=3",
        "trainer.precision=32-true",
        f"paths.runs={places / 'tuned'}",
    ]
    assert run(finetune, config_name="finetune", arguments=[*words, "plan=true"]) == 0
    plan = capfd.readouterr().out
    assert not (places / "tuned").exists()
    assert "videos: 4 for training, 4 for testing; 0:02 of training video, median 0.5 s" in plan
    assert "steps: 2 an epoch, 6 in all, 2 videos a step" in plan
    assert "disk: 2 checkpoints of " in plan
    assert re.search(r"in it: 6 steps of \d\.\d\d s, 1 evaluation of about \d+ s", plan)
