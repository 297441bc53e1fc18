"""What a fine-tuning run leaves, and that it can be built again from it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tests.unit.callback.recognizer_stage import module, stage
from tests.unit.callback.stage import trainer
from torch import nn

from vclr_pl.callback.best_encoder import BestEncoder
from vclr_pl.callback.export import BackboneExport, RecognizerExport, exported_step, write_tensors
from vclr_pl.data.transform.evaluation_view import EvaluationView


def test_tensors_and_description_are_read_back(tmp_path):
    tensors = {"a": torch.randn(2, 3).T, "b": torch.zeros(1, dtype=torch.long)}
    description = {"names": ["ü", "b c"], "size": 3, "none": None}
    path = tmp_path / "new" / "file.safetensors"
    write_tensors(path, tensors, description)
    with safe_open(path, framework="pt") as file:
        assert all(torch.equal(file.get_tensor(name), value) for name, value in tensors.items())
        assert {name: json.loads(text) for name, text in file.metadata().items()} == description
    assert json.loads(path.with_suffix(".json").read_text()) == description
    assert sorted(file.name for file in path.parent.iterdir()) == ["file.json", "file.safetensors"]


VIEW = EvaluationView(frames=7, crop_pixels=48, short_side_pixels=56, mean=(0.5,), std=(0.25,))
DATA = SimpleNamespace(evaluation_view=VIEW, sampling=SimpleNamespace(frames_per_clip=4, frame_stride=2))
FIGURES = {"architecture": {"_target_": "a.b"}}


def test_it_writes_tensors_and_how_to_use_them(tmp_path):
    backbone = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)).to(memory_format=torch.channels_last)
    module = SimpleNamespace(encoder=SimpleNamespace(backbone=backbone, feature_dim=2))
    path = tmp_path / "run" / "backbone.safetensors"
    BackboneExport(path=str(path), **FIGURES).on_train_end(trainer(current_epoch=4, global_step=20, datamodule=DATA), module)
    read = load_file(path)
    assert {name: value.tolist() for name, value in read.items()} == {name: value.tolist() for name, value in backbone.state_dict().items()}
    assert json.loads(path.with_suffix(".json").read_text()) == {
        "architecture": {"_target_": "a.b"},
        "frames": 7,
        "crop_pixels": 48,
        "short_side_pixels": 56,
        "mean": [0.5],
        "std": [0.25],
        "frames_per_clip": 4,
        "frame_stride": 2,
        "feature_dim": 2,
        "epochs": 4,
        "steps": 20,
    }
    assert {file.name for file in path.parent.iterdir()} == {"backbone.safetensors", "backbone.json"}


def ended(tmp_path, *, exported, export_best=True):
    """A run of 20 steps that exports the encoder of step `exported`."""
    best = BestEncoder(export_best=export_best)
    best.step, best.epoch = exported, exported // 5
    export = BackboneExport(path=str(tmp_path / "backbone.safetensors"), **FIGURES)
    return trainer(current_epoch=4, global_step=20, datamodule=DATA, callbacks=[best, export]), export


def encoder(weight):
    backbone = nn.Linear(1, 1, bias=False)
    nn.init.constant_(backbone.weight, weight)
    return SimpleNamespace(backbone=backbone, feature_dim=1)


@pytest.mark.parametrize(("exported", "described"), [(15, (3, 15, True)), (20, (4, 20, None))])
def test_an_encoder_that_is_not_the_last_is_described_as_chosen(tmp_path, exported, described):
    stage, export = ended(tmp_path, exported=exported)
    export.on_train_end(stage, SimpleNamespace(encoder=encoder(2.0)))
    found = json.loads((tmp_path / "backbone.json").read_text())
    assert (found["epochs"], found["steps"], found.get("chosen")) == described
    assert exported_step(stage, better_start=None) == exported


@pytest.mark.parametrize(("export_best", "step", "weight"), [(True, 0, 1.0), (False, 20, 2.0)])
def test_a_better_start_replaces_the_exported_encoder(tmp_path, export_best, step, weight):
    stage, export = ended(tmp_path, exported=20, export_best=export_best)
    export.on_train_end(stage, SimpleNamespace(encoder=encoder(2.0)))
    assert exported_step(stage, better_start=encoder(1.0)) == step
    assert load_file(tmp_path / "backbone.safetensors")["weight"].item() == weight
    assert json.loads((tmp_path / "backbone.json").read_text()).get("chosen", False) == (step == 0)


def test_only_the_first_process_writes(tmp_path):
    export = BackboneExport(path=str(tmp_path / "backbone.safetensors"), **FIGURES)
    export.on_train_end(trainer(is_global_zero=False), SimpleNamespace())
    export.on_train_end(trainer(fast_dev_run=True), SimpleNamespace())
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_described_as_it_declares(tmp_path):
    backbone = nn.Linear(2, 2)
    backbone.exported_as = {"network": "mine"}
    stage = trainer(current_epoch=1, global_step=1, datamodule=DATA)
    BackboneExport(path=str(tmp_path / "a.safetensors"), **FIGURES).on_train_end(
        stage, SimpleNamespace(encoder=SimpleNamespace(backbone=backbone, feature_dim=2))
    )
    assert json.loads((tmp_path / "a.json").read_text())["architecture"] == {"network": "mine"}


def test_weights_and_all_that_is_to_be_known(tmp_path):
    recognizer = module()
    export = RecognizerExport(path=str(tmp_path / "recognizer.safetensors"), architecture={"_target_": "vclr_pl.backbone.x.X"})
    export.on_train_end(stage(current_epoch=3, global_step=15), recognizer)
    tensors = load_file(tmp_path / "recognizer.safetensors")
    assert set(tensors) == set(recognizer.recognizer.state_dict())
    assert json.loads((tmp_path / "recognizer.json").read_text()) == {
        "architecture": {"_target_": "vclr_pl.backbone.x.X"},
        "class_names": ["dark", "light"],
        "shift": None,
        "segments": 2,
        "crop_pixels": 4,
        "short_side_pixels": 4,
        "crops": "three",
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "frames_per_clip": 1,
        "frame_stride": 1,
        "epochs": 3,
        "steps": 15,
    }


@pytest.mark.parametrize("changes", [{"is_global_zero": False}, {"fast_dev_run": True}])
def test_where_nothing_is_written(tmp_path, changes):
    RecognizerExport(path=str(tmp_path / "recognizer.safetensors"), architecture=None).on_train_end(stage(**changes), module())
    assert not list(tmp_path.iterdir())
