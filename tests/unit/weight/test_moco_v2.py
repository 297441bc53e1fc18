from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.weight.published_file import published_tensors, resnet_module, write_moco, write_release

from vclr_pl.types import InputError
from vclr_pl.weight.moco_v2 import MocoV2


def test_the_query_encoder_is_taken_and_its_head_copied_into_all_four(tmp_path: Path) -> None:
    module = resnet_module()
    tensors = published_tensors(module)
    write_moco(tmp_path / "moco.pth.tar", tensors)
    report = MocoV2(path=str(tmp_path / "moco.pth.tar")).load_into(module)
    assert [name.split(".")[-2] for name in report.missing] == ["classifier", "classifier"]
    assert report.unused == ()
    assert torch.equal(module.encoder.backbone.conv1.weight, tensors["conv1.weight"])
    for head in ("inter", "intra", "order", "segment"):
        assert torch.equal(module.encoder.heads[head][0].weight, tensors["fc_inter.0.weight"])
        assert torch.equal(module.encoder.heads[head][2].bias, tensors["fc_inter.2.bias"])


def test_another_checkpoint_is_refused_with_the_format_to_choose(tmp_path: Path) -> None:
    write_release(tmp_path / "vclr.pth", published_tensors(resnet_module()))
    with pytest.raises(InputError, match="cannot be read safely"):  # its Namespace is not allowed here
        MocoV2(path=str(tmp_path / "vclr.pth")).read()
    torch.save({"model": {}}, tmp_path / "plain.pth")
    with pytest.raises(InputError, match="weight=vclr_release"):
        MocoV2(path=str(tmp_path / "plain.pth")).read()
