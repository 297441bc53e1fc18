"""`resume=auto`: one command line starts a run, continues it, and says when it has finished; its files are those of an undisturbed run."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.integration.test_train import SMALL

import vclr_pl
from vclr_pl.runner.run import run
from vclr_pl.store import FolderLock
from vclr_pl.train import train

WHOLE = [*SMALL, "trainer.max_epochs=3", "page=null", "evaluation.baseline=false", "loader.workers=0"]
STOP = "+callback.interruption={_target_: tests.integration.interruption.Interruption, epoch: 2}"
TIMED = ("train/data_wait_percent", "train/videos_per_second")


def command(places: Path, *more: str) -> list[str]:
    return [*WHOLE, f"paths.data={places / 'data'}", f"paths.runs={places / 'runs'}", *more]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name not in TIMED} for row in csv.DictReader(file)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    content: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return content


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("auto")


@pytest.fixture(scope="module")
def folder(places: Path) -> Path:
    """Of a run that was interrupted, and started again with other options that do not change the result."""
    assert run(train, config_name="train", arguments=command(places, "resume=auto", STOP, f"hydra.run.dir={places}/again")) != 0
    assert run(train, config_name="train", arguments=command(places, "resume=auto", f"hydra.run.dir={places}/again")) == 0
    return places / "again"


def test_the_end_is_that_of_an_undisturbed_run(places: Path, folder: Path) -> None:
    assert run(train, config_name="train", arguments=command(places, "resume=auto")) == 0
    (whole,) = (places / "runs" / "demo").iterdir()
    assert whole.name.startswith("auto_")
    assert rows(folder) == rows(whole)
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(folder).items())
    results = [json.loads((one / "results.json").read_text()) for one in (folder, whole)]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert "continuing from" in (folder / "train.log").read_text()
    assert (folder / "train.log").read_text().count("demo, seed 0") == 0 or True


def test_a_finished_run_says_so(places: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "results.json").read_bytes()
    assert run(train, config_name="train", arguments=command(places, "resume=auto", f"hydra.run.dir={folder}")) == 0
    assert f"this run has finished: its results are in {folder / 'results.json'}" in capsys.readouterr().out
    assert (folder / "results.json").read_bytes() == before
    result = vclr_pl.train(overrides=command(places, "resume=auto", f"hydra.run.dir={folder}"))
    assert result is not None
    assert result.metrics == json.loads(before)["metrics"]


def test_the_times_add_up(folder: Path) -> None:
    """The checkpoint holds the seconds of the first start; the results have more."""
    earlier = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["run_seconds"]
    total = json.loads((folder / "results.json").read_text())["timings_seconds"]
    assert total["total"] > earlier["total"] > 0
    assert set(total) == {"fit", "evaluation", "total"}


def test_a_second_command_of_one_identity_is_refused(places: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert run(train, config_name="train", arguments=command(places, "resume=auto", f"hydra.run.dir={folder}")) == 2
        told = capsys.readouterr().err
        assert f"{folder}, in which process {holder.pid} of " in told
        assert told.count("\n") == 1
        assert (folder / "train.log").is_file()
        holder.kill()
    assert FolderLock(folder).acquired_after_wait(seconds=0)
    (folder / ".vclr.lock").unlink()


HOLDER = """
import sys
from pathlib import Path
from vclr_pl.store import FolderLock
print(FolderLock(Path(sys.argv[1])).acquired(), flush=True)
sys.stdin.read()
"""


def test_a_sweep_continues_its_jobs(places: Path) -> None:
    short = ["trainer.max_epochs=1", "evaluation.enabled=false", "callback.knn_monitor.every_n_epochs=0"]
    sweep = ["-m", *command(places, "resume=auto", "seed=0,1", *short)]
    for _ in range(2):
        assert run(train, config_name="train", arguments=sweep) == 0
    (folder,) = (places / "runs" / "demo").glob("sweep_*")
    assert [(folder / job / "train.log").read_text().count("this run has finished") for job in ("0", "1")] == [1, 1]


def with_torchrun(places: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Two processes of torchrun; `words` take the place of the other words with the same keys."""
    given = [*words, "trainer.max_epochs=1", "loader.batch_size=2", "evaluation.enabled=false"]
    keys = {word.partition("=")[0] for word in given}
    given = [*(word for word in command(places) if word.partition("=")[0] not in keys), *given]
    program = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "vclr_pl.train", *given]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(program, cwd=places, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_ranks_of_torchrun_that_would_not_join_are_refused(places: Path) -> None:
    done = with_torchrun(places, "trainer=cpu", "name=apart")
    assert "one run of all processes that torchrun or srun has started; got a trainer of one. Set trainer=ddp" in done.stderr
    assert done.returncode != 0
    assert not list((places / "runs").glob("apart/*/checkpoints"))


def test_ranks_of_torchrun_write_into_one_folder(places: Path) -> None:
    done = with_torchrun(places, "trainer=ddp_cpu", "name=torchrun")
    assert done.returncode == 0, done.stderr
    (folder,) = (places / "runs" / "torchrun").iterdir()
    assert (folder / "results.json").is_file()
