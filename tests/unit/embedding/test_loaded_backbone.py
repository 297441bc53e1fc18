"""Backbones with all of a file's weights, or an error that says what is missing."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.backbone.resnet2d import resnet
from vclr_pl.embedding.loaded_backbone import load_backbone
from vclr_pl.types import InputError


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(1)
    network = resnet(name="resnet18")
    torch.save(network.state_dict() | {"fc.weight": torch.zeros(2, 512)}, tmp_path / "resnet18.pth")
    return network, str(tmp_path / "resnet18.pth")


def test_the_file_says_which_network_it_holds(file):
    network, path = file
    loaded = load_backbone(path, momentum=False, backbone=None)
    assert loaded.architecture == {"_target_": "vclr_pl.backbone.resnet2d.resnet", "name": "resnet18"}
    assert all(torch.equal(value, loaded.network.state_dict()[name]) for name, value in network.state_dict().items())
    assert loaded.origin == f"backbone {path}: 120 tensors loaded, 0 missing, 1 unused (fc.weight)"
    assert all(parameter.requires_grad for parameter in loaded.network.parameters())


def test_a_network_that_is_given_is_filled(file):
    network, path = file
    given = resnet(name="resnet18")
    loaded = load_backbone(path, momentum=False, backbone=given)
    assert loaded.network is given
    assert loaded.architecture is None
    assert torch.equal(given.conv1.weight, network.conv1.weight)


def test_random_is_the_network_as_it_is():
    given = resnet(name="resnet18")
    before = given.conv1.weight.clone()
    loaded = load_backbone("random", momentum=False, backbone=given)
    assert loaded.network is given
    assert torch.equal(given.conv1.weight, before)
    with pytest.raises(InputError, match="a network for encoder=random"):
        load_backbone("random", momentum=False, backbone=None)


@pytest.mark.parametrize(("name", "told"), [("resnet50", "missing"), ("resnet34", "missing")])
def test_a_deeper_network_is_not_filled_in_part(file, name, told):
    with pytest.raises(InputError, match=told):
        load_backbone(file[1], momentum=False, backbone=resnet(name=name))


def test_a_shallower_network_does_not_pass(tmp_path):
    """All tensors of resnet18 stand in resnet34's file, under the same names and shapes."""
    torch.save(resnet(name="resnet34").state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(InputError, match=r"which has layer1\.2\.conv1\.weight; got a smaller one, without 96 of its tensors"):
        load_backbone(str(tmp_path / "resnet34.pth"), momentum=False, backbone=resnet(name="resnet18"))


def test_a_file_that_lacks_parts_is_refused(file, tmp_path):
    network, _ = file
    part = {name: value for name, value in network.state_dict().items() if not name.startswith("layer4.1.bn2")}
    torch.save(part, tmp_path / "part.pth")
    with pytest.raises(
        InputError, match=r"all 120 tensors of the backbone in .*; got 4 missing, 0 of another shape, the first layer4\.1\.bn2"
    ):
        load_backbone(str(tmp_path / "part.pth"), momentum=False, backbone=None)
