"""Files for mmaction2: every name is in a list that is written out here from mmaction2's documented modules, not from our mapping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.unit.weights.published_file import drawn_network, resnet_module

from vclr_pl.types import InputError
from vclr_pl.weights.mmaction import Mmaction

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def conv_module(name: str, *, shifted: bool = False) -> Iterator[str]:
    """mmcv's `ConvModule`: a convolution without bias and its batch norm; a `TemporalShift` holds the convolution as `net`."""
    yield f"{name}.conv.net.weight" if shifted else f"{name}.conv.weight"
    for parameter in BATCH_NORM:
        yield f"{name}.bn.{parameter}"


def mmaction_names(depth: str, *, shift: bool) -> set[str]:
    """`Recognizer2D` of a `ResNet` (TSN) or `ResNetTSM`, without its head. Every second block is shifted where layer3 has 23."""
    bottleneck = depth in ("resnet50", "resnet101")
    every = 2 if depth == "resnet101" else 1
    names = set(conv_module("backbone.conv1"))
    for stage, blocks in enumerate(BLOCKS[depth], 1):
        for block in range(blocks):
            at = f"backbone.layer{stage}.{block}"
            names.update(conv_module(f"{at}.conv1", shifted=shift and block % every == 0))
            names.update(conv_module(f"{at}.conv2"))
            if bottleneck:
                names.update(conv_module(f"{at}.conv3"))
            if block == 0 and (stage > 1 or bottleneck):
                names.update(conv_module(f"{at}.downsample"))
    return names


@pytest.mark.parametrize("depth", list(BLOCKS))
@pytest.mark.parametrize("shift", [False, True])
def test_the_names_are_mmaction2s_and_every_tensor_comes_back(depth: str, shift: bool, tmp_path: Path) -> None:
    file = Mmaction(path=str(tmp_path / "recognizer.pth"), shift=shift)
    _, tensors = drawn_network(depth)
    head = {"fc.weight": torch.rand(4, 8), "fc.bias": torch.rand(4)}
    saved = file.write({**tensors, **head, "encoder.heads.inter.0.weight": torch.zeros(1)})
    assert saved == (*tensors, *head)
    state = torch.load(tmp_path / "recognizer.pth", weights_only=True)["state_dict"]
    assert set(state) == {*mmaction_names(depth, shift=shift), "cls_head.fc_cls.weight", "cls_head.fc_cls.bias"}
    again = Mmaction(path=file.path, shift=not shift).read()
    assert list(again) == [*tensors, *head]
    assert all(torch.equal(again[name], tensor) for name, tensor in {**tensors, **head}.items())


def test_some_places_by_hand(tmp_path: Path) -> None:
    file = Mmaction(path=str(tmp_path / "tsm.pth"), shift=True)
    _, tensors = drawn_network("resnet50")
    file.write(tensors)
    state = torch.load(file.path, weights_only=True)["state_dict"]
    pairs = {
        "conv1.weight": "conv1.conv.weight",
        "bn1.running_var": "conv1.bn.running_var",
        "layer2.3.conv1.weight": "layer2.3.conv1.conv.net.weight",
        "layer2.3.bn3.weight": "layer2.3.conv3.bn.weight",
        "layer4.0.downsample.0.weight": "layer4.0.downsample.conv.weight",
        "layer4.0.downsample.1.bias": "layer4.0.downsample.bn.bias",
    }
    assert all(torch.equal(state[f"backbone.{theirs}"], tensors[f"encoder.backbone.{ours}"]) for ours, theirs in pairs.items())


def test_a_recognizer_of_mmaction2_starts_a_run(tmp_path: Path) -> None:
    file = Mmaction(path=str(tmp_path / "tsn.pth"), shift=False)
    _, tensors = drawn_network("resnet18")
    file.write({**tensors, "fc.weight": torch.rand(4, 512)})
    module = resnet_module()
    report = file.load_into(module)
    assert report.unused == ("fc.weight",)
    assert len(report.matched) == len(tensors)
    assert torch.equal(module.encoder.backbone.layer1[0].bn2.running_var, tensors["encoder.backbone.layer1.0.bn2.running_var"])


def test_another_file_is_refused(tmp_path: Path) -> None:
    _, tensors = drawn_network("resnet18")
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"backbone\.conv1\.conv\.weight"):
        Mmaction(path=str(tmp_path / "other.pth"), shift=False).read()
