"""The end of a run says whether it learned, and its next commands run."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from tests.integration.test_train import SMALL, command
from tests.video_fixture import copies

from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run
from vclr_pl.train import train


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("summary")


@pytest.fixture(scope="module")
def log(places: Path) -> list[str]:
    words = [word for word in command(places, "run") if not word.startswith(("trainer.log_every_n_steps", "callback.checkpoint"))]
    words.append("callback.checkpoint.every_n_epochs=1")
    assert run(train, config_name="train", arguments=words) == 0
    return [line.partition("] ")[2] for line in (places / "runs" / "run" / "train.log").read_text().splitlines()]


def test_the_summary_has_the_verdict_the_figures_and_the_cost(log: list[str]) -> None:
    text = "\n".join(log)
    assert "verdict: too short to say (20 steps; more than 500 show it)" in text
    assert re.search(r"inter_frame \d\.\d\d \(a random guess: 3\.89\)", text)  # log(1 + 48)
    assert re.search(r"segment_contrast \d\.\d\d \(a random guess: 2\.83\)", text)  # log(1 + 16)
    assert re.search(r"temporal_order \d\.\d\d \(a random guess: 1\.39\)", text)  # log 4
    assert re.search(r"RankMe \(dimensions in use\) of the keys: inter [1-8]\.\d, segment [1-8]\.\d", text)
    assert re.search(r"training took 0:\d\d, \d+% of it waiting for videos; \d\.\d GB of memory; \d+ MB in ", text)


def test_a_short_run_has_a_row_and_a_line_for_each_step(log: list[str], places: Path) -> None:
    with (places / "runs" / "run" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    assert [int(row["step"]) for row in rows] == list(range(20))
    assert all(row["train/videos_per_second"] for row in rows)
    steps = [found.group(1) for line in log if (found := re.match(r"step (\d+)/20  loss .*  gap inter_frame -?\d\.\d\d", line))]
    assert steps == [str(step) for step in range(1, 21)]


def test_the_next_commands_run(log: list[str], places: Path) -> None:
    start = next(number for number, line in enumerate(log) if line.endswith("next:"))
    found = [shlex.split(line) for line in log[start + 1 : start + 4]]
    programs = [words[2] for words in found]
    assert programs == ["vclr_pl.retrieve", "vclr_pl.visualize", "vclr_pl.train"]
    more = ["neighbors=3", "protocol.frames=2", "trainer=cpu", "loader.workers=0", "page=null", f"hydra.run.dir={places / 'retrieved'}"]
    assert run(retrieve, config_name="retrieve", arguments=[*found[0][3:], f"paths.features={places / 'features'}", *more]) == 0
    assert (places / "retrieved" / "neighbors.csv").is_file()
    assert [word for word in found[2] if word.startswith(("resume=", "trainer.max_epochs="))] == [
        f"resume={places / 'runs' / 'run'}",
        "trainer.max_epochs=101",  # of 5 steps: more than 500
    ]
    changed = {"trainer.max_epochs=4", "trainer.log_every_n_steps=1", "callback.checkpoint.every_n_epochs=2"}
    assert set(SMALL) - changed <= set(found[2])


def test_the_last_two_checkpoints_and_the_best_are_kept(log: list[str], places: Path) -> None:
    del log
    kept = {path.name: torch.load(path, weights_only=True)["epoch"] for path in (places / "runs" / "run" / "checkpoints").iterdir()}
    by_epoch = {"epoch_0002.ckpt": 2, "epoch_0003.ckpt": 3, "previous.ckpt": 2, "last.ckpt": 3}
    assert kept == {**by_epoch, "best.ckpt": 1}  # kNN is measured after the second epoch


def test_a_resumed_run_does_not_evaluate_the_random_initialization_again(log: list[str], places: Path) -> None:
    del log
    words = command(places, "longer", f"resume={places / 'runs' / 'run'}", "trainer.max_epochs=5")
    words.remove("trainer.max_epochs=4")
    assert run(train, config_name="train", arguments=words) == 0
    assert "evaluating the random initialization" not in (places / "runs" / "longer" / "train.log").read_text()
    results = [json.loads((places / "runs" / name / "results.json").read_text()) for name in ("run", "longer")]
    guesses = {"loss_inter_frame": 3.89, "loss_segment_contrast": 2.83, "loss_temporal_order": 1.39, "loss_intra_frame": 0.69}
    stored = {name: round(loss, 2) for name, loss in results[0]["guess_losses"].items()}
    assert {name: stored.get(name) for name in guesses} == guesses  # log(1 + 48), log(1 + 16), log 4, log 2
    assert stored["loss"] > max(guesses.values())
    assert results[0]["queries"] == 10
    assert results[0]["baseline"] == results[1]["baseline"] != {}
    assert results[0]["training"]["verdict"] == "too short to say"


def test_a_backbone_of_the_users_own_is_kept_with_any_number_of_videos(places: Path) -> None:
    copies(places / "my own" / f"{number}.mp4" for number in range(9))
    own = "backbone={_target_: vclr_pl.backbone.resnet.SmallResNet, widths: [8, 16], stem_stride: 1}"
    words = [own, f"data.root='{places / 'my own'}'", "debug=one_batch", "transform.size_pixels=32", "head.dim=8", "loader.workers=0"]
    arguments = [*words, "trainer=cpu", "trainer.precision=32-true", f"hydra.run.dir={places / 'runs' / 'own'}"]
    assert run(train, config_name="train", arguments=arguments) == 0
    config = yaml.safe_load((places / "runs" / "own" / "config.yaml").read_text())
    assert config["backbone"]["widths"] == [8, 16]
    log = (places / "runs" / "own" / "train.log").read_text()
    retrieved = next(line.partition("  ")[2] for line in log.splitlines() if "vclr_pl.retrieve" in line)
    assert f"gallery.root='{places / 'my own'}'" in shlex.split(retrieved)  # quoted for the shell, and for Hydra inside
    assert (config["loader"]["batch_size"], config["queue"]["inter"]["length"], config["queue"]["segment"]["length"]) == (2, 16, 8)
