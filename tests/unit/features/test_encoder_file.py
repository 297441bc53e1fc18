"""Which network tensors are of, and that a description runs nothing but this package's networks.
Every form of a file that an encoder comes in, and what is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from tests.unit.features.pretrained_file import ARCHITECTURE, VIEW, small_backbone, write_resnet18, write_run
from tests.unit.features.written_recognizer import SHIFT, SMALL, write_recognizer
from torch import nn

from vclr_pl.backbone.resnet import RESNETS, SmallResNet, clip_network, resnet
from vclr_pl.config_path import config_folder
from vclr_pl.features.encoder_file import NAME_OF_PATH, build_backbone, read_encoder_file, recognize_architecture
from vclr_pl.types import InputError
from vclr_pl.weights.mmaction import Mmaction
from vclr_pl.weights.resnet import Timm


@pytest.mark.parametrize("name", RESNETS)
def test_resnets_are_recognized_by_their_parameters(name: str) -> None:
    with torch.device("meta"):
        tensors = resnet(name=name).state_dict()
    assert recognize_architecture(tensors, path="x.pth") == {"network": "resnet", "name": name}


def test_other_tensors_are_refused() -> None:
    with pytest.raises(InputError, match="one of torchvision's ResNets"):
        recognize_architecture({"conv1.weight": torch.zeros(1, 1, 1, 1)}, path="x.pth")


@pytest.mark.parametrize(
    "network",
    [resnet(name="resnet18"), clip_network(name="r3d_18"), SmallResNet(widths=[4, 8], stem_stride=2)],
    ids=lambda network: network.exported_as["network"],
)
def test_a_network_is_built_from_what_it_declares(network: nn.Module) -> None:
    built = build_backbone(json.loads(json.dumps(network.exported_as)))
    assert built.state_dict().keys() == network.state_dict().keys()
    assert all(value.shape == network.state_dict()[name].shape for name, value in built.state_dict().items())


@pytest.mark.parametrize(
    ("description", "network"),
    [
        ({"_target_": "vclr_pl.backbone.resnet2d.resnet", "name": "resnet18"}, "resnet"),
        ({"_target_": "vclr_pl.backbone.clip_network.clip_network", "name": "r3d_18"}, "clip_network"),
        ({"_target_": "vclr_pl.backbone.torchvision.resnet", "name": "resnet18"}, "resnet"),
        ({"_target_": "vclr_pl.backbone.torchvision.clip_network", "name": "r3d_18"}, "clip_network"),
        (
            {"_target_": "vclr_pl.backbone.small_resnet.SmallResNet", "_convert_": "all", "widths": [4, 8], "stem_stride": 2},
            "small_resnet",
        ),
    ],
)
def test_descriptions_of_earlier_versions_build_their_networks(description: dict[str, Any], network: str) -> None:
    assert build_backbone(description).exported_as["network"] == network


NAMED = {  # what the user gives, and what refers to other options
    "timm": {"name": "convnext_atto", "input_pixels": 64},
    "efficientnet_lite0": {"input_pixels": 64},
    "torchvision": {"name": "shufflenet_v2_x0_5"},
}


def test_every_shipped_backbone_has_a_name_for_files() -> None:
    """A run's checkpoint is read with the config.yaml beside it, which holds the Python path."""
    for file in (config_folder() / "backbone").glob("*.yaml"):
        node = {**yaml.safe_load(file.read_text()), **NAMED.get(file.stem, {})}
        assert build_backbone(node).exported_as["network"] == NAME_OF_PATH[node["_target_"]], file


@pytest.mark.parametrize("target", ["os.system", "vclr_pl.backbone_of_mine.f", "vclr_pl.datasets.manifest.Manifest", ""])
def test_a_description_of_anything_else_is_not_run(target: str) -> None:
    with pytest.raises(InputError, match=r"vclr_pl\.backbone"):
        build_backbone({"_target_": target, "command": "true"})
    with pytest.raises(InputError, match=r"vclr_pl\.backbone"):
        build_backbone({"network": target, "command": "true"})


def test_a_description_that_does_not_fit_is_told() -> None:
    with pytest.raises(InputError, match=r"valid arguments of the network small_resnet; got .*depth"):
        build_backbone({"network": "small_resnet", "depth": 3})


@pytest.mark.parametrize("where", [".", "checkpoints/last.ckpt"])
@pytest.mark.parametrize(("momentum", "seed"), [(False, 0), (True, 1)])
def test_a_run_or_its_checkpoint(tmp_path: Path, where: str, momentum: bool, seed: int) -> None:
    found = read_encoder_file(str(write_run(tmp_path / "run") / where), momentum=momentum)
    expected = small_backbone(seed).state_dict()
    assert found.backbone.keys() == expected.keys()
    assert all(torch.equal(found.backbone[name], tensor) for name, tensor in expected.items())
    assert found.architecture == ARCHITECTURE
    assert found.view == VIEW
    assert found.clip == {"frames_per_clip": 1, "frame_stride": 1}
    assert "encoder.heads.inter.0.weight" in found.unused
    assert ("momentum encoder" if momentum else "query encoder") in found.origin


def test_an_exported_backbone_says_its_whole_view(tmp_path: Path) -> None:
    described = {"architecture": ARCHITECTURE, **VIEW, "feature_dim": 8, "frames_per_clip": 4, "frame_stride": 2}
    path = tmp_path / "backbone.safetensors"
    for side in (40, None):
        told = {**described, "short_side_pixels": side}
        save_file(small_backbone().state_dict(), path, metadata={name: json.dumps(value) for name, value in told.items()})
        found = read_encoder_file(str(path), momentum=False)
        assert found.view == {name: value for name, value in {**VIEW, "short_side_pixels": side}.items() if value is not None}
        assert found.clip == {"frames_per_clip": 4, "frame_stride": 2}


def test_an_older_exported_backbone(tmp_path: Path) -> None:
    described = {"architecture": ARCHITECTURE, "size_pixels": 48, "mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "feature_dim": 8}
    path = tmp_path / "backbone.safetensors"
    save_file(small_backbone().state_dict(), path, metadata={name: json.dumps(value) for name, value in described.items()})
    for given in (path, tmp_path):
        found = read_encoder_file(str(given), momentum=False)
        assert (found.architecture, found.view["crop_pixels"], found.view["std"]) == (ARCHITECTURE, 48, [1, 1, 1])
        assert len(found.backbone) == len(small_backbone().state_dict())
    with pytest.raises(InputError, match="momentum encoder"):
        read_encoder_file(str(path), momentum=True)


@pytest.mark.parametrize(("form", "words"), [("moco", "MoCo v2"), ("release", "published VCLR"), ("torchvision", "backbone")])
def test_published_forms(tmp_path: Path, form: str, words: str) -> None:
    network = write_resnet18(tmp_path / "x.pth", form)
    found = read_encoder_file(str(tmp_path / "x.pth"), momentum=False)
    assert found.backbone.keys() == network.state_dict().keys()
    assert torch.equal(found.backbone["conv1.weight"], network.state_dict()["conv1.weight"])
    assert words in found.origin
    assert any(name.startswith("fc") for name in found.unused)


def test_the_momentum_encoder_of_moco(tmp_path: Path) -> None:
    network = write_resnet18(tmp_path / "x.pth", "moco")
    found = read_encoder_file(str(tmp_path / "x.pth"), momentum=True)
    assert torch.equal(found.backbone["conv1.weight"], network.state_dict()["conv1.weight"] + 1)


def test_what_is_no_encoder_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"layer.weight": torch.zeros(1)}}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    for name in ("absent", "other.pth", "text.pth", "text.safetensors", "."):
        with pytest.raises(InputError):
            read_encoder_file(str(tmp_path / name), momentum=False)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "executed",)

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="safely"):
        read_encoder_file(str(tmp_path / "evil.pth"), momentum=False)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("shift", [False, True])
def test_a_recognizer_of_mmaction2(tmp_path: Path, shift: bool) -> None:
    network = resnet(name="resnet18")
    tensors = {f"encoder.backbone.{name}": tensor for name, tensor in network.state_dict().items()}
    Mmaction(path=str(tmp_path / "x.pth"), shift=shift).write({**tensors, "fc.weight": torch.ones(3, 512), "fc.bias": torch.ones(3)})
    found = read_encoder_file(str(tmp_path / "x.pth"), momentum=False)
    assert list(found.backbone) == list(network.state_dict())
    assert torch.equal(found.backbone["layer3.0.downsample.1.weight"], network.state_dict()["layer3.0.downsample.1.weight"])
    assert found.unused == ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")
    assert list(found.classifier) == ["fc.weight", "fc.bias"]
    assert ("temporal shift" in found.origin) is shift
    with pytest.raises(InputError, match="momentum"):
        read_encoder_file(str(tmp_path / "x.pth"), momentum=True)


def test_safetensors_of_timm(tmp_path: Path) -> None:
    network = resnet(name="resnet18")
    tensors = {f"encoder.backbone.{name}": tensor for name, tensor in network.state_dict().items()}
    Timm(path=str(tmp_path / "x.safetensors")).write({**tensors, "fc.weight": torch.ones(3, 512)})
    found = read_encoder_file(str(tmp_path / "x.safetensors"), momentum=False)
    assert found.backbone.keys() == network.state_dict().keys()
    assert (found.unused, found.architecture, found.view) == (("fc.weight",), None, {})


@pytest.mark.parametrize("shift", [None, SHIFT])
def test_the_backbone_of_a_fine_tuned_run(tmp_path: Path, shift: dict[str, int] | None) -> None:
    """The folder, in which the checkpoint of fine-tuning lies too, and the file."""
    network = write_recognizer(tmp_path / "run", shift=shift)
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir()
    torch.save({"state_dict": {f"recognizer.{name}": value for name, value in network.state_dict().items()}}, checkpoint)
    for path in (tmp_path / "run", tmp_path / "run" / "recognizer.safetensors"):
        found = read_encoder_file(str(path), momentum=False)
        expected = network.backbone.state_dict()
        assert set(found.backbone) == set(expected)
        assert all(torch.equal(found.backbone[name], value) for name, value in expected.items())
        assert torch.equal(found.classifier["fc.weight"], network.head.weight)
        assert found.architecture == SMALL
        assert found.view == {"crop_pixels": 32, "short_side_pixels": 40, "mean": [0.5] * 3, "std": [0.25] * 3}
        assert found.clip == {"frames_per_clip": 1, "frame_stride": 1}
        assert ("temporal shift" in found.origin) == (shift is not None)
    with pytest.raises(InputError, match=r"a checkpoint of fine-tuning\. Use the run folder after the end of training"):
        read_encoder_file(str(checkpoint), momentum=False)
