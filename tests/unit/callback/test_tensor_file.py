from __future__ import annotations

import json

import torch
from safetensors import safe_open

from vclr_pl.callback.tensor_file import write_tensors


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
