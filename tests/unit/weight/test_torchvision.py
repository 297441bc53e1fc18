from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from tests.unit.weight.published_file import resnet_module

from vclr_pl.weight.torchvision import Torchvision


def test_torchvision_loads_what_is_written(tmp_path: Path) -> None:
    module = resnet_module()
    Torchvision(path=str(tmp_path / "resnet18.pth")).write(module.state_dict())
    network = torchvision.models.resnet18()
    missing = network.load_state_dict(torch.load(tmp_path / "resnet18.pth", weights_only=True), strict=False)
    assert missing.missing_keys == ["fc.weight", "fc.bias"]
    assert missing.unexpected_keys == []
    assert torch.equal(network.layer2[0].conv1.weight, module.encoder.backbone.layer2[0].conv1.weight)


def test_a_whole_torchvision_network_is_read_and_its_classifier_named_as_unused(tmp_path: Path) -> None:
    network, module = torchvision.models.resnet18(), resnet_module()
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    report = Torchvision(path=str(tmp_path / "resnet18.pth")).load_into(module)
    assert report.unused == ("fc.weight", "fc.bias")
    assert {name.split(".")[1] for name in report.missing} == {"heads", "terms"}
    assert torch.equal(module.encoder.backbone.conv1.weight, network.conv1.weight)
