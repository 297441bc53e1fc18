from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.unit.features.pretrained_file import small_backbone, write_run

from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.features.encoder import load_encoder
from vclr_pl.features.encoder_file import frozen_timm_network
from vclr_pl.features.encoder_start import EncoderStart
from vclr_pl.types import InputError
from vclr_pl.weights.image_weights import LITE0, PACKAGE


class Module(torch.nn.Module):
    """The part of a VCLRModule that a start fills."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = torch.nn.Module()
        self.encoder.backbone = backbone
        self.encoder.heads = torch.nn.Linear(2, 2)


def run(folder: Path) -> Path:
    return write_run(folder / "run")


def checkpoint(folder: Path) -> Path:
    return write_run(folder / "run") / "checkpoints" / "last.ckpt"


def saved(folder: Path) -> Path:
    load_encoder(str(run(folder))).save_pretrained(folder / "saved")
    return folder / "saved"


@pytest.mark.parametrize("written", [run, checkpoint, saved, lambda folder: saved(folder) / "backbone.safetensors"])
def test_the_backbone_of_any_encoder_is_a_start(written: Callable[[Path], Path], tmp_path: Path) -> None:
    module = Module(small_backbone(seed=9))
    head = module.encoder.heads.weight.clone()
    report = EncoderStart(path=str(written(tmp_path))).load_into(module)
    expected = small_backbone(seed=0).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in module.encoder.backbone.state_dict().items())
    assert len(report.matched) == len(expected)
    assert torch.equal(module.encoder.heads.weight, head)


def test_another_network_is_refused_in_one_line(tmp_path: Path) -> None:
    module = Module(SmallResNet(widths=[8, 16], stem_stride=2))
    with pytest.raises(InputError, match=r"Choose the backbone .* \(backbone=") as raised:
        EncoderStart(path=str(run(tmp_path))).load_into(module)
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed: the extra `imagenet`")
def test_a_name_is_a_start_too() -> None:
    module = Module(frozen_timm_network(name=LITE0, input_pixels=64))
    EncoderStart(path="imagenet:efficientnet_lite0").load_into(module)
    expected = load_encoder("imagenet:efficientnet_lite0").backbone.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in module.encoder.backbone.state_dict().items())
