"""The main job on a tiny rendered set: what a run leaves behind, and that a resumed run goes on where it was."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file
from tests.video_fixture import copies

from vclr_pl.features.encoder import load_encoder
from vclr_pl.features.encoder_file import build_backbone
from vclr_pl.runner.run import run
from vclr_pl.train import train

EPOCHS = 4
STEPS_PER_EPOCH = 5  # 20 videos, 4 a batch
SMALL = [
    "data.train_videos_per_class=2",
    "data.test_videos_per_class=1",
    "data.frames=6",
    "data.size_pixels=32",
    "transform.size_pixels=32",
    "backbone.widths=[8,16]",
    "head.dim=8",
    "loader.batch_size=4",
    "loader.workers=0",
    "queue.inter.length=48",
    "queue.segment.length=16",
    "trainer=cpu",
    "trainer.precision=32-true",
    f"trainer.max_epochs={EPOCHS}",
    "trainer.log_every_n_steps=1",
    "schedule.warmup_epochs=1",
    "callback.checkpoint.every_n_epochs=2",
    "callback.knn_monitor.every_n_epochs=2",
]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("main_job")


def command(places: Path, name: str, *more: str) -> list[str]:
    return [*SMALL, f"paths.data={places / 'data'}", f"paths.runs={places / 'runs'}", f"hydra.run.dir={places / 'runs' / name}", *more]


@pytest.fixture(scope="module")
def whole_run(places: Path) -> Path:
    assert run(train, config_name="train", arguments=command(places, "whole")) == 0
    return places / "runs" / "whole"


def test_a_run_leaves_its_files(whole_run: Path) -> None:
    left = {path.relative_to(whole_run).as_posix() for path in whole_run.rglob("*") if path.is_file() and ".hydra" not in path.parts}
    assert left == {
        "config.yaml",
        "metrics.csv",
        "results.json",
        "views.png",
        "retrieval.html",
        "run.html",
        "curves.png",
        "train.log",
        "backbone.json",
        "backbone.safetensors",
        "checkpoints/last.ckpt",
        "checkpoints/previous.ckpt",
        "checkpoints/best.ckpt",
        "checkpoints/epoch_0001.ckpt",
        "checkpoints/epoch_0003.ckpt",
    }
    assert "${" not in (whole_run / "config.yaml").read_text()


def test_every_figure_is_logged(whole_run: Path) -> None:
    with (whole_run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    trained = [row for row in rows if row["train/loss"]]
    assert [int(row["step"]) for row in trained] == list(range(EPOCHS * STEPS_PER_EPOCH))
    terms = ("inter_frame", "intra_frame", "segment_contrast", "temporal_order")
    assert all(row[f"train/loss_{term}"] for row in trained for term in terms)
    total = sum(float(trained[-1][f"train/loss_{term}"]) for term in terms)
    assert float(trained[-1]["train/loss"]) == pytest.approx(total, rel=1e-5)
    assert [int(row["step"]) for row in rows if row["val/knn_top1"]] == [2 * STEPS_PER_EPOCH - 1]
    assert {"train/videos_per_second", "train/data_wait_percent", "train/feature_spread", "train/lr"} <= set(rows[0])


def test_the_page_shows_the_test_videos_and_the_figures(whole_run: Path) -> None:
    page = (whole_run / "retrieval.html").read_text()
    assert "10 queries, each with the most similar of 20 gallery videos" in page
    assert f"{json.loads((whole_run / 'results.json').read_text())['metrics']['retrieval_r1']:.1f}%" in page
    assert f"trained for {EPOCHS * STEPS_PER_EPOCH} steps" in page


def test_results_stand_beside_their_baseline(whole_run: Path) -> None:
    results = json.loads((whole_run / "results.json").read_text())
    assert set(results["metrics"]) == set(results["baseline"]) >= {"retrieval_r1", "retrieval_r10", "knn_top1", "linear_top1"}
    steps = EPOCHS * STEPS_PER_EPOCH
    assert results["training"] == {
        "epochs": EPOCHS,
        "steps": steps,
        "processes": 1,
        "verdict": "too short to say",
        "exported_step": steps,
    }
    assert len(results["provenance"]["config_hash"]) == 12
    assert set(results["timings_seconds"]) == {"baseline_evaluation", "fit", "evaluation", "total"}


def test_the_export_builds_the_backbone_again(whole_run: Path) -> None:
    described = json.loads((whole_run / "backbone.json").read_text())
    assert described["architecture"] == {"network": "small_resnet", "widths": [8, 16], "stem_stride": 2}
    backbone = build_backbone(described["architecture"])
    tensors = load_file(whole_run / "backbone.safetensors")
    backbone.load_state_dict(tensors, strict=True)
    checkpoint = torch.load(whole_run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(checkpoint[f"encoder.backbone.{name}"], value) for name, value in tensors.items())
    assert (described["feature_dim"], described["epochs"], described["crop_pixels"]) == (16, EPOCHS, 32)
    with safe_open(whole_run / "backbone.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["architecture"]) == described["architecture"]


def test_the_run_and_its_export_see_videos_alike(whole_run: Path) -> None:
    configured = yaml.safe_load((whole_run / "config.yaml").read_text())["evaluation_view"]
    encoders = [load_encoder(str(whole_run / name)) for name in ("checkpoints/last.ckpt", "backbone.safetensors")]
    for encoder in encoders:
        view = encoder.view
        assert (view.frames, view.crop_pixels, view.short_side_pixels) == (30, configured["crop_pixels"], configured["short_side_pixels"])
    frames = torch.randint(256, (1, 4, 3, 90, 160), dtype=torch.uint8)
    run_features, export_features = (encoder(encoder.transform(frames)) for encoder in encoders)
    assert torch.equal(run_features, export_features)


def test_a_resumed_run_goes_on_where_it_was(whole_run: Path, places: Path) -> None:
    """Queues, pointers, momentum encoder, optimizer, schedule and epoch: the same end as the run that nobody interrupted."""
    stop = "+callback.interruption={_target_: tests.integration.interruption.Interruption, epoch: 2}"
    assert run(train, config_name="train", arguments=command(places, "broken_off", stop)) == 1
    middle = torch.load(places / "runs" / "broken_off" / "checkpoints" / "last.ckpt", weights_only=True)
    assert (middle["epoch"], middle["global_step"]) == (1, 2 * STEPS_PER_EPOCH)
    assert not (places / "runs" / "broken_off" / "results.json").exists()
    arguments = command(places, "resumed", f"resume={places / 'runs' / 'broken_off'}")
    assert run(train, config_name="train", arguments=arguments) == 0
    compare(last_checkpoint(whole_run), last_checkpoint(places / "runs" / "resumed"))
    results = [json.loads((places / "runs" / name / "results.json").read_text()) for name in ("whole", "resumed")]
    assert results[0]["baseline"] == results[1]["baseline"]
    assert results[0]["training"] == results[1]["training"]
    assert results[0]["provenance"]["config_hash"] == results[1]["provenance"]["config_hash"]


def test_a_run_killed_during_its_evaluation_is_evaluated(whole_run: Path, places: Path) -> None:
    shutil.copytree(whole_run / "checkpoints", places / "runs" / "killed" / "checkpoints")
    arguments = command(places, "evaluated", f"resume={places / 'runs' / 'killed'}")
    assert run(train, config_name="train", arguments=arguments) == 0
    results = [json.loads((places / "runs" / name / "results.json").read_text()) for name in ("whole", "evaluated")]
    for kind in ("metrics", "baseline", "training"):
        assert results[0][kind] == results[1][kind]
    compare(last_checkpoint(whole_run), last_checkpoint(places / "runs" / "evaluated"))
    assert (places / "runs" / "evaluated" / "backbone.safetensors").is_file()


def last_checkpoint(folder: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint


def compare(expected: dict[str, Any], found: dict[str, Any]) -> None:
    assert (found["epoch"], found["global_step"]) == (expected["epoch"], expected["global_step"])
    assert set(found["state_dict"]) == set(expected["state_dict"])
    for name, value in expected["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][name], value, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")
    pointers = {name for name in expected["state_dict"] if name.endswith(".pointer")}
    assert pointers == {"queues.inter.pointer", "queues.segment.pointer"}
    assert found["lr_schedulers"] == expected["lr_schedulers"]
    momenta = [checkpoint["optimizer_states"][0]["state"] for checkpoint in (expected, found)]
    for index, state in momenta[0].items():
        torch.testing.assert_close(momenta[1][index]["momentum_buffer"], state["momentum_buffer"], rtol=1e-3, atol=1e-5)


def test_a_root_that_is_given_is_the_users_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither rendered into nor read with the demo's settings; without a root the command is the demo."""
    videos = copies(tmp_path / "own" / name for name in ("a.mp4", "b.mp4", "c.mp4"))
    small = [
        "debug=one_batch",
        "backbone=small_resnet",
        "transform.size_pixels=32",
        "head.dim=8",
        "loader.batch_size=2",
        "loader.workers=0",
    ]
    small += ["queue.inter.length=64", "queue.segment.length=64", "trainer=cpu", f"hydra.run.dir={tmp_path / 'run'}"]
    for given in ([], ["data=folder"]):
        assert run(train, config_name="train", arguments=[f"data.root={tmp_path / 'own'}", *given, *small]) == 0
        config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
        assert (config["name"], config["queue"]["inter"]["length"], config["momentum_encoder"]["momentum"]) == ("folder", 64, 0.99)
        assert sorted((tmp_path / "own").rglob("*")) == sorted(videos)
    capsys.readouterr()
    assert run(train, config_name="train", arguments=["experiment=demo", f"data.root={tmp_path / 'own'}", *small]) == 2
    assert "To read your own videos, use experiment=folder data.root=DIR" in capsys.readouterr().err
    assert sorted((tmp_path / "own").rglob("*")) == sorted(videos)
