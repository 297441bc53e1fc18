"""timm itself loads every file that is written for it, and gives our features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.weight.published_file import drawn_network, resnet_module

from vclr_pl.types import InputError
from vclr_pl.weight.timm import Timm

timm = pytest.importorskip("timm")


NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101")


@pytest.mark.parametrize(("name", "suffix"), [*((name, ".safetensors") for name in NETWORKS), ("resnet18", ".pth")])
def test_timms_network_gives_our_features_to_the_bit(name: str, suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"backbone{suffix}")
    ours, tensors = drawn_network(name)
    assert Timm(path=path).write({**tensors, "encoder.heads.inter.0.weight": torch.zeros(1)}) == tuple(tensors)
    theirs = timm.create_model(name, num_classes=0, checkpoint_path=path).eval()
    frames = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(theirs(frames), ours(frames))
    assert [file.name for file in tmp_path.iterdir()] == [f"backbone{suffix}"]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_classifier_travels_to_timm_and_back(suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"recognizer{suffix}")
    _, tensors = drawn_network("resnet18")
    Timm(path=path).write({**tensors, "fc.weight": torch.rand(4, 512), "fc.bias": torch.rand(4)})
    theirs = timm.create_model("resnet18", num_classes=4, checkpoint_path=path)
    again = Timm(path=path).read()
    assert set(again) == {f"encoder.backbone.{key}" if not key.startswith("fc.") else key for key in theirs.state_dict()}
    assert torch.equal(again["fc.bias"], theirs.fc.bias)
    module = resnet_module()
    assert Timm(path=path).load_into(module).unused == ("fc.bias", "fc.weight")
    assert torch.equal(module.encoder.backbone.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)


def test_the_averaged_weights_of_timms_own_checkpoints_are_read(tmp_path: Path) -> None:
    network = timm.create_model("resnet18", num_classes=0)
    state = network.state_dict()
    torch.save(
        {"state_dict": {name: tensor + 1 for name, tensor in state.items()}, "state_dict_ema": state, "epoch": 3}, tmp_path / "a.pth"
    )
    assert torch.equal(Timm(path=str(tmp_path / "a.pth")).read()["encoder.backbone.conv1.weight"], network.conv1.weight)


@pytest.mark.parametrize("name", ["absent.safetensors", "text.safetensors", "absent.pth", "text.pth"])
def test_what_cannot_be_read_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no weights")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match=name):
        Timm(path=str(tmp_path / name)).read()
