from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from tests.unit.weight.published_file import drawn_network, resnet_module

from vclr_pl.backbone.clip_network import clip_network
from vclr_pl.weight.torchvision import Torchvision


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
