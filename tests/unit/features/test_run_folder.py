from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from vclr_pl.features.run_folder import CHECKPOINT, file_of_run


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / CHECKPOINT).write_bytes(b"")
    return tmp_path


def export(folder, **described):
    metadata = {name: json.dumps(value) for name, value in described.items()}
    save_file({"a": torch.ones(1)}, folder / "backbone.safetensors", metadata=metadata)


@pytest.mark.parametrize(
    ("described", "momentum", "name"),
    [
        ({"steps": 4}, False, "last.ckpt"),
        ({"steps": 4, "chosen": True}, False, "backbone.safetensors"),
        ({"steps": 4, "chosen": True}, True, "last.ckpt"),
    ],
)
def test_a_chosen_export_is_the_runs_encoder(folder, described, momentum, name):
    export(folder, **described)
    assert file_of_run(folder, momentum=momentum).name == name


def test_a_damaged_export_is_not_the_runs_encoder(folder):
    (folder / "backbone.safetensors").write_bytes(b"no safetensors")
    assert file_of_run(folder, momentum=False).name == "last.ckpt"


def test_an_export_alone_is_enough(tmp_path):
    assert file_of_run(tmp_path, momentum=False) is None
    export(tmp_path)
    assert file_of_run(tmp_path, momentum=False).name == "backbone.safetensors"
