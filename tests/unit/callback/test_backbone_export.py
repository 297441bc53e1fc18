from __future__ import annotations

import json
from types import SimpleNamespace

import torch
from safetensors.torch import load_file
from tests.unit.callback.stage import trainer
from torch import nn

from vclr_pl.callback.backbone_export import BackboneExport
from vclr_pl.data.transform.evaluation_view import EvaluationView

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


def test_only_the_first_process_writes(tmp_path):
    export = BackboneExport(path=str(tmp_path / "backbone.safetensors"), **FIGURES)
    export.on_train_end(trainer(is_global_zero=False), SimpleNamespace())
    export.on_train_end(trainer(fast_dev_run=True), SimpleNamespace())
    assert list(tmp_path.iterdir()) == []
