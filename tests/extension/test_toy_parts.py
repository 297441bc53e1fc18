"""docs/extending.md as its readers follow it: each part is one file and one option; it trains and is evaluated, and src stays as it is."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from safetensors.torch import load_file
from tests.documentation.documented_commands import FENCE, Command, commands
from tests.video_fixture import copies

from vclr_pl.config_path import config_folder
from vclr_pl.evaluate import evaluate
from vclr_pl.runner.run import run
from vclr_pl.runner.schema import refuse_unknown_keys
from vclr_pl.train import train

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "extending.md").read_text()
DOCUMENTED = commands(PAGE, document="extending.md")
PARTS = ("term", "backbone", "layout", "measure")
TASKS: dict[str, Callable[..., Any]] = {"train": train, "evaluate": evaluate}
DEMO = ["data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=32"]
SMALL_NETWORK = ["backbone.widths=[8,16]"]
SMALL = {  # what makes a run small, and nothing that a part needs
    "train": [
        "experiment=demo",
        "transform.size_pixels=32",
        "evaluation_view.short_side_pixels=36",
        "head.dim=8",
        "loader.batch_size=4",
        "loader.workers=0",
        "queue.inter.length=48",
        "trainer=cpu",
        "trainer.precision=32-true",
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=2",
        "trainer.log_every_n_steps=1",
        "schedule.warmup_epochs=1",
        "callback.knn_monitor.every_n_epochs=0",
        "page=null",
    ],
    "evaluate": ["trainer=cpu", "loader.workers=0", "protocol.frames=4", "page=null", "bootstrap.resamples=10"],
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("extension")


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m` puts the current folder on it, where a reader's package lies."""
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture(scope="module")
def labeled(places: Path) -> Path:
    """A folder of videos in class folders."""
    copies((places / "labeled" / name / f"{number}.mp4" for name in ("jump", "run") for number in range(3)), frames=6)
    return places / "labeled"


def documented(*words: str) -> Command:
    """The page's command that holds all of the words."""
    (found,) = (one for one in DOCUMENTED if all(word in " ".join((one.program, *one.arguments)) for word in words))
    return found


def done(command: Command, folder: Path, *more: str, **names: Path) -> Path:
    """Run a documented command, made small, with FILE, DIR and the like replaced; the run folder."""
    words = [re.sub(r"\b(FILE|DIR|my_conf)\b", lambda match: str(names[match.group()]), word) for word in command.arguments]
    places = [f"paths.data={folder.parent / 'data'}", f"paths.features={folder}/features", f"hydra.run.dir={folder}"]
    arguments = [*words, *SMALL[command.program], *more, *places]
    assert run(TASKS[command.program], config_name=command.program, arguments=arguments) == 0
    return folder


def metrics_of(run_folder: Path) -> dict[str, float]:
    return dict(json.loads((run_folder / "results.json").read_text())["metrics"])


def logged(run_folder: Path) -> list[dict[str, str]]:
    with (run_folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", PARTS)
def test_the_page_shows_the_files_that_are_tested(name: str) -> None:
    assert (HERE / "toy_parts" / f"{name}.py").read_text() in FENCE.findall(PAGE)


def test_the_page_shows_the_yaml_that_is_tested() -> None:
    assert (HERE / "toy_parts" / "conf" / "objective" / "hardest_negative.yaml").read_text() in FENCE.findall(PAGE)


@pytest.mark.parametrize("way", ["+objective.terms.hardest_negative", "--config-dir"])
def test_a_term_with_a_head_and_a_queue_of_its_own(way: str, places: Path, labeled: Path) -> None:
    small = [*DEMO, *SMALL_NETWORK, "queue.default.length=64", "evaluation.enabled=false"]
    run_folder = done(documented("train", way), places / f"term{way[:2]}", *small, my_conf=HERE / "toy_parts" / "conf")
    rows = logged(run_folder)
    assert all(float(row["train/loss_hardest_negative"]) > 0 for row in rows)
    assert "train/hardest_negative_violations" in rows[0]
    state = torch.load(run_folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert state["encoder.heads.triplet.2.weight"].shape == (8, 16)
    assert state["queues.triplet.rows"].shape == (64, 8)
    assert int(state["queues.triplet.pointer"]) == 8  # one key of each of 4 videos in 2 steps
    assert ("queues.inter.rows" in state) == (way != "--config-dir")  # the YAML has two of the terms
    plain = Command("", 0, "evaluate", (f"encoder={run_folder}", f"data.root={labeled}"))
    assert "knn_top1" in metrics_of(done(plain, places / f"evaluated{way[:2]}"))


def test_a_queue_with_options_of_its_own() -> None:
    """As docs/extending.md says for a term whose queue has no node in the shipped configs."""
    options = "_partial_: true, length: 64, initialization: unit, mask_own_video: false"
    node = f"{{_target_: vclr_pl.encoder.momentum_contrast.NegativeQueue, {options}}}"
    words = [*documented("train", "+objective.terms.hardest_negative").arguments, f"+queue.triplet={node}"]
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        config = compose("train", overrides=["paths.run=run", *words])
    refuse_unknown_keys(config, config_name="train")
    assert instantiate(config.module).queue_of("triplet").length == 64


def test_a_backbone(places: Path, labeled: Path) -> None:
    run_folder = done(documented("train", "OneConvolution"), places / "backbone", *DEMO)
    assert "knn_top1" in metrics_of(run_folder)
    described = json.loads((run_folder / "backbone.json").read_text())
    assert described["architecture"] == {"_target_": "toy_parts.backbone.OneConvolution", "width": 32}
    assert (described["mean"], described["std"], described["feature_dim"]) == ([0.5] * 3, [0.5] * 3, 32)
    assert load_file(run_folder / "backbone.safetensors")["layers.0.weight"].shape == (32, 3, 8, 8)
    command = documented("evaluate", "OneConvolution")
    evaluated = [
        metrics_of(done(command, places / f"evaluated_{number}", FILE=file, DIR=labeled))
        for number, file in enumerate((run_folder, run_folder / "backbone.safetensors"))
    ]
    assert evaluated[0] == evaluated[1]  # config.yaml of the run has ImageNet's mean and std, backbone.json the network's


def test_a_data_set(places: Path) -> None:
    copies((places / "numbered" / f"{name}_{number}.mp4" for name in ("jump", "run") for number in range(1, 5)), frames=6)
    run_folder = done(documented("train", "numbered_files"), places / "layout", *SMALL_NETWORK, DIR=places / "numbered")
    assert "knn_top1" in metrics_of(run_folder)
    assert json.loads((run_folder / "results.json").read_text())["training"]["steps"] == 1  # 6 videos train, 4 a step


def test_a_measure(places: Path, labeled: Path) -> None:
    command = documented("evaluate", "NearestClassMean")
    option = next(word for word in command.arguments if "NearestClassMean" in word)
    run_folder = done(Command("", 0, "train", (option,)), places / "measured", *DEMO, *SMALL_NETWORK)
    metrics = metrics_of(run_folder)
    assert 0 <= metrics.pop("class_mean_top1") <= 100
    assert "knn_top1" in metrics
    evaluated = metrics_of(done(command, places / "measure", FILE=run_folder, DIR=labeled))
    assert evaluated["class_mean_top1"] == 50  # all videos of the folder are the same one, of which half are of the first class
