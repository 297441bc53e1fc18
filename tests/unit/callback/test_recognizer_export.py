"""What a fine-tuning run leaves, and that it can be built again from it."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file
from tests.unit.callback.recognizer_stage import module, stage

from vclr_pl.callback.recognizer_export import RecognizerExport


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
