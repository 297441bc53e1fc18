from __future__ import annotations

import pytest
import torch
from tests.unit.pretrain.built import small_module
from tests.unit.weight.published_file import resnet_module

from vclr_pl.backbone.clip_network import clip_network
from vclr_pl.backbone.resnet2d import resnet
from vclr_pl.types import InputError
from vclr_pl.weight.resnet_names import own_names_of, resnet_tensors


def test_the_backbone_and_a_classifier_are_kept_and_the_heads_of_pretraining_left() -> None:
    module = resnet_module()
    head = {"fc.weight": torch.zeros(3, 512), "fc.bias": torch.zeros(3)}
    found = resnet_tensors({**module.state_dict(), **head}, form="timm", clips=False)
    assert list(found) == [*resnet(name="resnet18").state_dict(), "fc.weight", "fc.bias"]
    assert own_names_of(["conv1.weight", "fc.bias"]) == ("encoder.backbone.conv1.weight", "fc.bias")


def test_a_network_that_the_library_does_not_have_is_refused_where_it_is_written() -> None:
    with pytest.raises(InputError, match="to=lightning keeps any network"):
        resnet_tensors(small_module().state_dict(), form="torchvision", clips=True)
    clips = {f"encoder.backbone.{name}": tensor for name, tensor in clip_network(name="r3d_18").state_dict().items()}
    assert len(resnet_tensors(clips, form="torchvision", clips=True)) == len(clips)
    with pytest.raises(InputError, match="for frames"):
        resnet_tensors(clips, form="timm", clips=False)
