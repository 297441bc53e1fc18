"""The main job in its other forms: a sweep, a trial batch, an ablation, data without labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import pytorch_lightning as lightning
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tests.integration.test_train import SMALL
from tests.video_fixture import copies

from vclr_pl.features.encoder import load_encoder
from vclr_pl.runner.run import run
from vclr_pl.train import train

SHORT = [*SMALL, "trainer.max_epochs=1", "trainer.limit_train_batches=2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("variants") / "data"


def ends_well(data: Path, folder: Path, *more: str) -> None:
    arguments = [*more, *SHORT, f"paths.data={data}", f"paths.runs={folder}", f"hydra.run.dir={folder}/run"]
    assert run(train, config_name="train", arguments=arguments) == 0


def test_a_sweep_ends_with_one_table(data, tmp_path, capsys):
    ends_well(
        data, tmp_path, "-m", "objective=vclr,segment_only", f"hydra.sweep.dir={tmp_path}/sweep", "callback.knn_monitor.every_n_epochs=0"
    )
    lines = (tmp_path / "sweep" / "sweep_table.md").read_text().splitlines()
    names = [line.split("|")[1].strip() for line in lines if line.startswith("|")]
    assert names == ["run", "---", "random initialization", "0: objective=vclr", "1: objective=segment_only"]
    assert lines[-1].startswith("The same in all rows: ")
    shown = capsys.readouterr().out
    assert shown.rindex("sweep") > shown.rindex("run folder")
    losses = [(tmp_path / "sweep" / str(job) / "metrics.csv").read_text().splitlines()[0] for job in (0, 1)]
    assert ["train/loss_inter_frame" in header for header in losses] == [True, False]


def test_one_batch_keeps_nothing(data, tmp_path):
    ends_well(data, tmp_path, "debug=one_batch")
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert json.loads((tmp_path / "run" / "results.json").read_text())["training"]["steps"] == 1


def test_a_term_and_a_monitor_can_be_taken_away(data, tmp_path):
    ends_well(data, tmp_path, "~objective.terms.temporal_order", "~callback.view_grid", "evaluation.enabled=false", "encoding=shared")
    header = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]
    assert "train/loss_segment_contrast" in header
    assert "temporal_order" not in header
    assert not (tmp_path / "run" / "views.png").exists()
    assert json.loads((tmp_path / "run" / "results.json").read_text())["metrics"] == {}


def test_a_term_can_be_added(data, tmp_path):
    added = ["+objective/term@objective.terms.nearest_neighbor=nearest_neighbor", "queue.segment.mask_own_video=true"]
    ends_well(data, tmp_path, *added, "evaluation.enabled=false")
    header = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]
    assert {"train/loss_nearest_neighbor", "train/nearest_neighbor_neighbor_similarity"} <= set(header.split(","))


def test_objectives_that_choose_other_groups_train_in_one_sweep(data, tmp_path):
    sweep = f"hydra.sweep.dir={tmp_path}/sweep"
    ends_well(
        data, tmp_path, "-m", "objective=segment_only,clip_contrast,byol", sweep, "callback.knn_monitor.every_n_epochs=0", "head.dim=4"
    )
    jobs = [tmp_path / "sweep" / str(number) for number in range(3)]
    configs = [OmegaConf.load(job / "config.yaml") for job in jobs]
    samplers = [config.sampling._target_.rpartition(".")[2] for config in configs]
    assert samplers == ["SegmentClipSampler", "LocalClips", "SegmentClipSampler"]
    assert [config.head.get("batch_norm", False) for config in configs] == [False, False, True]
    headers = [set((job / "metrics.csv").read_text().splitlines()[0].split(",")) for job in jobs]
    assert headers[0] == headers[1] >= {"train/loss_segment_contrast"}
    assert {name for name in headers[2] if "byol" in name} == {
        "train/loss_byol",
        *(f"train/byol_{name}" for name in ("positive_similarity", "batch_similarity", "batch_accuracy")),
    }
    stored = torch.load(jobs[2] / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert stored["objective.terms.byol.predictor.0.weight"].shape == (4096, 8)
    assert not any(name.startswith("queues.") for name in stored)
    exported = load_file(jobs[2] / "backbone.safetensors")
    assert {f"encoder.backbone.{name}" for name in exported} == {name for name in stored if name.startswith("encoder.backbone.")}
    assert "similarity of positives, and of other videos: byol" in (jobs[2] / "train.log").read_text()
    assert load_encoder(str(jobs[2])).origin.startswith(f"query encoder of {jobs[2]}/checkpoints/last.ckpt: 36 tensors loaded, 0 missing")


def test_videos_without_labels_train(data, tmp_path, capsys):
    ends_well(data, tmp_path / "first", "evaluation.enabled=false")
    (videos,) = (path for path in data.rglob("UCF-101") if path.is_dir())
    arguments = ["experiment=folder", f"data.root={videos}", "data.class_folders=false", "backbone=small_resnet"]
    arguments += [part for part in SHORT if not part.startswith("data.")]
    assert run(train, config_name="train", arguments=[*arguments, f"paths.runs={tmp_path}", f"hydra.run.dir={tmp_path}/run"]) == 0
    shown = capsys.readouterr().out
    assert "the data has no labels: skipping retrieval, nearest neighbor, linear probe" in shown
    record = json.loads((tmp_path / "run" / "results.json").read_text())
    assert list(record["metrics"]) == list(record["baseline"]) == ["rank_me", "copy_top1"]
    assert record["skipped"] == ["retrieval", "nearest neighbor", "linear probe"]
    assert (record["training"]["exported_step"], record["queries"]) == (record["training"]["steps"], 0)


def test_a_run_that_starts_from_weights_exports_its_best_encoder_and_says_so(data, tmp_path, capsys):
    """Twice the same run; the learning rate of the second is far too high after its first epoch."""
    ends_well(data, tmp_path / "first", "callback.knn_monitor.every_n_epochs=0", "evaluation.enabled=false")
    weight = ["weight=lightning", f"weight.path={tmp_path}/first/run/checkpoints/last.ckpt"]
    again = [part for part in SMALL if not part.startswith(("trainer.max_epochs", "callback.knn"))]
    again += ["trainer.limit_train_batches=2", "trainer.max_epochs=3", "callback.knn_monitor.every_n_epochs=1", "optimizer.lr=0.5"]
    places = [f"paths.data={data}", f"paths.runs={tmp_path}", f"hydra.run.dir={tmp_path}/second"]
    assert run(train, config_name="train", arguments=[*weight, *again, *places]) == 0
    shown, folder = capsys.readouterr().out, tmp_path / "second"
    record = json.loads((folder / "results.json").read_text())
    best, last = (torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True) for name in ("best", "last"))
    readings = [line for line in csv.DictReader((folder / "metrics.csv").read_text().splitlines()) if line["val/rank_me"]]
    assert [line["step"] for line in readings] == ["0", "1", "3", "5"]
    assert float(readings[0]["val/knn_top1"]) == pytest.approx(record["baseline"]["knn_top1"])
    values = [float(line["val/knn_train_top1"]) for line in readings[1:]]
    chosen = max(range(3), key=lambda epoch: (values[epoch], epoch))
    assert best["global_step"] == 2 * (chosen + 1)
    assert last["global_step"] == 6
    assert record["training"]["exported_step"] in (0, best["global_step"])
    if record["training"]["exported_step"]:
        exported = load_file(folder / "backbone.safetensors")
        assert all(torch.equal(value, best["state_dict"][f"encoder.backbone.{name}"]) for name, value in exported.items())
        assert (f"the encoder of step {best['global_step']} is exported" in shown) == (chosen != 2)
        assert (f"backbone.safetensors is the encoder of step {best['global_step']}" in (folder / "run.html").read_text()) == (chosen != 2)
    described = json.loads((folder / "backbone.json").read_text())
    assert described["steps"] == record["training"]["exported_step"]
    assert described.get("chosen", False) == (described["steps"] != 6)
    source = "exported backbone" if described["steps"] != 6 else "query encoder"
    assert load_encoder(str(folder)).origin.startswith(source)


@pytest.mark.parametrize("segments", [2, 8])
def test_other_numbers_of_segments_train_with_sizes_for_the_videos(data, tmp_path, capsys, segments):
    """The queue of `inter` takes S keys of each video: with three, the one for these videos would be too short for eight."""
    root = tmp_path / "videos" / "clips"
    copies([root / f"{number}.mp4" for number in range(9)], frames=16)
    folder = [f"data.root={root.parent}", f"sampling.segments={segments}", "trainer=cpu", "trainer.precision=32-true", "loader.workers=0"]
    sizes = ["backbone=small_resnet", "transform.size_pixels=32", "trainer.max_epochs=1", f"paths.runs={tmp_path}"]
    assert run(train, config_name="train", arguments=[*folder, *sizes, "plan=true"]) == 0
    assert "too short" not in capsys.readouterr().out
    assert run(train, config_name="train", arguments=[*folder, *sizes, f"hydra.run.dir={tmp_path}/run"]) == 0
    assert (tmp_path / "run" / "views.png").is_file()
    assert "train/loss_temporal_order" in (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]


def test_videos_with_fewer_than_two_frames_a_segment_are_told(tmp_path, capsys):
    root = tmp_path / "videos" / "clips"
    copies([root / f"{number}.mp4" for number in range(9)], frames=15)
    arguments = [f"data.root={root.parent}", "sampling.segments=8", "trainer=cpu", "loader.workers=0", "backbone=small_resnet"]
    assert run(train, config_name="train", arguments=[*arguments, "transform.size_pixels=32", f"hydra.run.dir={tmp_path}/run"]) == 2
    assert "15 frames, but 8 segments of two distinct frames each need 16" in capsys.readouterr().err


class Spoiled(lightning.Callback):
    """Gives all channels of the trained backbone the same weights, as no start has them."""

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        with torch.no_grad():
            for parameter in pl_module.encoder.backbone.parameters():
                parameter.fill_(1.0)


def test_a_start_that_training_made_worse_is_exported(data, tmp_path, capsys):
    """Without labels; the retrieval of made copies finds the start better."""
    ends_well(data, tmp_path / "first", "callback.knn_monitor.every_n_epochs=0", "evaluation.enabled=false")
    (videos,) = (path for path in data.rglob("UCF-101") if path.is_dir())
    start = tmp_path / "first" / "run" / "checkpoints" / "last.ckpt"
    words = ["experiment=folder", f"data.root={videos}", "data.class_folders=false", "backbone=small_resnet", "weight=lightning"]
    words += [f"weight.path={start}", f"+callback.spoiled._target_={__name__}.Spoiled", "callback.knn_monitor.every_n_epochs=0"]
    words += [part for part in SHORT if not part.startswith(("data.", "callback.knn")) and part != "trainer.max_epochs=4"]
    assert run(train, config_name="train", arguments=[*words, f"paths.runs={tmp_path}", f"hydra.run.dir={tmp_path}/second"]) == 0
    shown, folder = capsys.readouterr().out, tmp_path / "second"
    record = json.loads((folder / "results.json").read_text())
    assert record["metrics"]["copy_top1"] < record["baseline"]["copy_top1"]
    assert (record["training"]["verdict"], record["training"]["exported_step"]) == ("worse than its start", 0)
    exported, loaded = load_file(folder / "backbone.safetensors"), torch.load(start, weights_only=True)["state_dict"]
    assert all(torch.equal(value, loaded[f"encoder.backbone.{name}"]) for name, value in exported.items())
    assert load_encoder(str(folder)).origin.startswith("exported backbone")
    last_lines = shown[shown.rindex("the start is better") :]
    assert f"use the start, encoder={start}\n" in last_lines
    assert "backbone.safetensors is the start; the checkpoints in" in last_lines
    assert "backbone.safetensors is the start." in (folder / "run.html").read_text()
