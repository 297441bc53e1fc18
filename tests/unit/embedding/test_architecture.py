"""Which network tensors are of, and that a description runs nothing but this package's networks."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.backbone.resnet2d import NAMES, resnet
from vclr_pl.embedding.architecture import build_backbone, recognize_architecture
from vclr_pl.types import InputError


@pytest.mark.parametrize("name", NAMES)
def test_resnets_are_recognized_by_their_parameters(name: str) -> None:
    with torch.device("meta"):
        tensors = resnet(name=name).state_dict()
    assert recognize_architecture(tensors, path="x.pth") == {"_target_": "vclr_pl.backbone.resnet2d.resnet", "name": name}


def test_other_tensors_are_refused() -> None:
    with pytest.raises(InputError, match="one of torchvision's ResNets"):
        recognize_architecture({"conv1.weight": torch.zeros(1, 1, 1, 1)}, path="x.pth")


def test_a_description_builds_its_network() -> None:
    built = build_backbone(
        {"_target_": "vclr_pl.backbone.small_resnet.SmallResNet", "_convert_": "all", "widths": [4, 8], "stem_stride": 2}
    )
    assert built.feature_dim == 8


@pytest.mark.parametrize("target", ["os.system", "vclr_pl.backbone_of_mine.f", "vclr_pl.data.manifest.Manifest", ""])
def test_a_description_of_anything_else_is_not_run(target: str) -> None:
    with pytest.raises(InputError, match=r"vclr_pl\.backbone"):
        build_backbone({"_target_": target, "command": "true"})


def test_a_description_that_does_not_fit_is_told() -> None:
    with pytest.raises(InputError, match="SmallResNet"):
        build_backbone({"_target_": "vclr_pl.backbone.small_resnet.SmallResNet", "depth": 3})
