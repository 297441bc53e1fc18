"""timm itself loads every file that is written for it, and gives our features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from tests.unit.pretrain.built import small_module
from tests.unit.weights.published_file import drawn_network, resnet_module

from vclr_pl.backbone.resnet import clip_network, resnet
from vclr_pl.types import InputError
from vclr_pl.weights.resnet import Timm, Torchvision, own_names_of, resnet_tensors


def test_the_backbone_and_a_classifier_are_kept_and_the_heads_of_pretraining_left() -> None:
    module = resnet_module()
    head = {"fc.weight": torch.zeros(3, 512), "fc.bias": torch.zeros(3)}
    found = resnet_tensors({**module.state_dict(), **head}, form="timm", clips=False)
    assert list(found) == [*resnet(name="resnet18").state_dict(), "fc.weight", "fc.bias"]
    assert own_names_of(["conv1.weight", "fc.bias"]) == ("encoder.backbone.conv1.weight", "fc.bias")


def test_a_network_that_the_library_does_not_have_is_refused_where_it_is_written() -> None:
    with pytest.raises(InputError, match="to=lightning stores any network"):
        resnet_tensors(small_module().state_dict(), form="torchvision", clips=True)
    clips = {f"encoder.backbone.{name}": tensor for name, tensor in clip_network(name="r3d_18").state_dict().items()}
    assert len(resnet_tensors(clips, form="torchvision", clips=True)) == len(clips)
    with pytest.raises(InputError, match="for frames"):
        resnet_tensors(clips, form="timm", clips=False)


def test_torchvision_loads_what_is_written(tmp_path: Path) -> None:
    module = resnet_module()
    Torchvision(path=str(tmp_path / "resnet18.pth")).write(module.state_dict())
    network = torchvision.models.resnet18()
    missing = network.load_state_dict(torch.load(tmp_path / "resnet18.pth", weights_only=True), strict=False)
    assert missing.missing_keys == ["fc.weight", "fc.bias"]
    assert missing.unexpected_keys == []
    assert torch.equal(network.layer2[0].conv1.weight, module.encoder.backbone.layer2[0].conv1.weight)


def test_torchvisions_network_gives_our_features_to_the_bit(tmp_path: Path) -> None:
    frames = torch.rand(2, 3, 32, 32)
    ours, tensors = drawn_network("resnet50")
    Torchvision(path=str(tmp_path / "resnet50.pth")).write(tensors)
    theirs = torchvision.models.resnet50().eval()
    theirs.fc = torch.nn.Identity()
    theirs.load_state_dict(torch.load(tmp_path / "resnet50.pth", weights_only=True), strict=True)
    with torch.no_grad():
        assert torch.equal(theirs(frames), ours(frames))


def test_a_3d_network_and_a_classifier_are_kept(tmp_path: Path) -> None:
    network = clip_network(name="r3d_18")
    tensors = {f"encoder.backbone.{name}": tensor for name, tensor in network.state_dict().items()}
    head = {"fc.weight": torch.rand(4, 512), "fc.bias": torch.rand(4)}
    saved = Torchvision(path=str(tmp_path / "r3d_18.pth")).write({**tensors, **head, "encoder.heads.inter.0.weight": torch.zeros(1)})
    assert saved == (*tensors, "fc.weight", "fc.bias")
    theirs = torchvision.models.video.r3d_18(num_classes=4)
    theirs.load_state_dict(torch.load(tmp_path / "r3d_18.pth", weights_only=True), strict=True)
    assert torch.equal(theirs.fc.weight, head["fc.weight"])
    assert torch.equal(theirs.layer4[1].conv2[0].weight, network.layer4[1].conv2[0].weight)


def test_a_whole_torchvision_network_is_read_and_its_classifier_named_as_unused(tmp_path: Path) -> None:
    network, module = torchvision.models.resnet18(), resnet_module()
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    report = Torchvision(path=str(tmp_path / "resnet18.pth")).load_into(module)
    assert report.unused == ("fc.weight", "fc.bias")
    assert {name.split(".")[1] for name in report.missing} == {"heads", "terms"}
    assert torch.equal(module.encoder.backbone.conv1.weight, network.conv1.weight)


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
