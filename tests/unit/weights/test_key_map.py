from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from tests.unit.pretrain.built import small_module
from tests.unit.weights.published_file import resnet_module

from vclr_pl.backbone.resnet import resnet
from vclr_pl.types import InputError
from vclr_pl.weights.key_map import load_by_name, read_safely, renamed, reversed_prefixes, tensors_of


def test_the_first_prefix_that_matches_wins_and_the_way_back_is_the_inverse() -> None:
    prefixes = [("fc_order_classifier.", "classifier."), ("fc_order.", "heads.order."), ("", "backbone.")]
    names = ["fc_order.0.weight", "fc_order_classifier.bias", "conv1.weight"]
    there = renamed({name: torch.tensor(float(place)) for place, name in enumerate(names)}, prefixes)
    assert list(there) == ["heads.order.0.weight", "classifier.bias", "backbone.conv1.weight"]
    assert list(renamed(there, reversed_prefixes(prefixes))) == names


def test_another_shape_is_refused_with_both_shapes() -> None:
    module = small_module()
    tensors = {name: value.clone() for name, value in module.state_dict().items()}
    tensors["encoder.heads.inter.2.weight"] = torch.zeros(9, 8)
    own = re.escape(str(tuple(module.state_dict()["encoder.heads.inter.2.weight"].shape)))
    with pytest.raises(InputError, match=rf"encoder\.heads\.inter\.2\.weight of shape {own}; got \(9, 8\)"):
        load_by_name(module, tensors, path="some.pth")


def test_a_deeper_network_of_the_same_family_is_refused() -> None:
    module = resnet_module()
    deeper = {f"encoder.backbone.{name}": value for name, value in resnet(name="resnet34").state_dict().items()}
    with pytest.raises(InputError, match=r"which has layer1\.2\.conv1\.weight"):
        load_by_name(module, deeper, path="resnet34.pth")


@pytest.mark.parametrize("content", [[1, 2], {"weight": 3}, torch.zeros(2)])
def test_what_is_no_state_dict_is_refused(content: object) -> None:
    with pytest.raises(InputError, match=r"tensors by name in some\.pth"):
        tensors_of(content, path="some.pth")


def test_why_a_file_is_not_read_is_told_without_torchs_advice_to_run_it(tmp_path: Path) -> None:
    torch.save({"state_dict": Path("somewhere")}, tmp_path / "classes.pth")
    (tmp_path / "video.mp4").write_bytes(b"\0\0\0\x1cftypisom")
    for name, reason in (("classes.pth", r"it would run pathlib\.\w+"), ("video.mp4", "no torch file")):
        with pytest.raises(InputError, match=reason) as told:
            read_safely(str(tmp_path / name))
        assert "weights_only" not in str(told.value)
