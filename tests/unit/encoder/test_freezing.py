"""Frozen parts stay bit for bit as they are, in real training steps; the rest moves."""

from __future__ import annotations

import pytest
import torch
from tests.unit.pretrain.built import small_batch, small_module
from torch import nn

from vclr_pl.encoder.freezing import Freezing
from vclr_pl.types import InputError


def stepped(freezing: Freezing | None):
    """A module before and after one optimizer step, by name."""
    module = small_module(freezing=freezing).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    optimizer = module.optimizer.build_groups(groups=module.groups(), global_batch_size=256)
    module.training_step(small_batch()).backward()
    optimizer.step()
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    return module, moved


def of_backbone(moved: set[str], kind: str) -> set[str]:
    return {name for name in moved if ".backbone." in name and kind in name}


def test_nothing_is_frozen_without_it_and_by_default() -> None:
    for freezing in (None, Freezing(stages=0, norm_statistics=False)):
        module, moved = stepped(freezing)
        assert of_backbone(moved, "running_mean")
        assert all(f"encoder.backbone.{name}" in moved for name, _ in module.encoder.backbone.named_parameters())
        assert module.key_encoding.uses_batch_statistics


def test_fixed_statistics_do_not_move_in_either_encoder_and_parameters_do() -> None:
    module, moved = stepped(Freezing(stages=0, norm_statistics=True))
    assert not of_backbone(moved, "running")
    assert "encoder.backbone.bn1.weight" in moved
    assert not module.key_encoding.uses_batch_statistics
    module.eval().train()
    assert not any(layer.training for layer in module.encoder.backbone.modules() if isinstance(layer, nn.BatchNorm2d))


def test_first_stages_do_not_move_with_their_statistics_and_the_rest_does() -> None:
    _, moved = stepped(Freezing(stages=2, norm_statistics=False))
    assert not {name for kind in ("backbone.conv1.", "backbone.bn1.", "backbone.stages.0.") for name in of_backbone(moved, kind)}
    assert "encoder.backbone.stages.1.conv1.weight" in moved
    assert "encoder.backbone.stages.1.bn1.running_mean" in moved


def test_keys_use_the_statistics_of_the_start() -> None:
    """With equal weights and fixed statistics the momentum encoder's features are the query encoder's in evaluation mode."""
    module = small_module(freezing=Freezing(stages=0, norm_statistics=True)).train()
    frames = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(module.momentum_encoder(frames), module.encoder.backbone.eval()(frames))


def test_what_cannot_be_frozen_is_refused() -> None:
    with pytest.raises(InputError, match=r"fewer frozen stages than the 3 .*freezing\.stages=3.*freezing\.stages=2 or less"):
        small_module(freezing=Freezing(stages=3, norm_statistics=False))
    with pytest.raises(InputError, match=r"freezing\.stages=-1"):
        Freezing(stages=-1, norm_statistics=False)
    with pytest.raises(InputError, match=r"momentum_encoder\.copy_buffers=true"):
        Freezing(stages=1, norm_statistics=False).fix(small_module().encoder.backbone, copies_statistics=False)
