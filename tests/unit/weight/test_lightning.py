from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.weight.published_file import resnet_module

from vclr_pl.types import InputError
from vclr_pl.weight.lightning import LightningCheckpoint


def test_what_a_run_saved_is_loaded_without_queues_and_momentum(tmp_path: Path) -> None:
    source, target = resnet_module(), resnet_module()
    torch.save({"state_dict": source.state_dict(), "epoch": 3}, tmp_path / "last.ckpt")
    report = LightningCheckpoint(path=str(tmp_path / "last.ckpt")).load_into(target)
    assert (report.missing, report.unused) == ((), ())
    assert torch.equal(target.encoder.heads["order"][0].weight, source.encoder.heads["order"][0].weight)


def test_a_written_checkpoint_is_read_back_to_the_bit(tmp_path: Path) -> None:
    tensors = {name: value for name, value in resnet_module().state_dict().items() if name.startswith(("encoder.", "objective."))}
    checkpoint = LightningCheckpoint(path=str(tmp_path / "some.ckpt"))
    checkpoint.write(tensors)
    again = checkpoint.read()
    assert list(again) == list(tensors)
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"layer.weight": torch.zeros(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(InputError, match="checkpoint of vclr_pl's pretraining"):
        LightningCheckpoint(path=str(tmp_path / "other.ckpt")).read()
