from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from vclr_pl.callback.checkpoint import AtomicCheckpointIO, LastCheckpoint


class Unwritable:
    def __reduce__(self) -> tuple[object, ...]:
        raise OSError("the disk is full")


def test_it_writes_what_torch_reads_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"a": torch.ones(2)}, target)
    AtomicCheckpointIO().save_checkpoint({"a": torch.zeros(2)}, target)
    assert torch.equal(torch.load(target, weights_only=True)["a"], torch.zeros(2))
    assert [path.name for path in target.parent.iterdir()] == ["last.ckpt"]


def test_a_failure_leaves_the_good_file(tmp_path):
    target = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"a": 1}, target)
    with pytest.raises(OSError, match="disk is full"):
        AtomicCheckpointIO().save_checkpoint({"a": 2, "b": Unwritable()}, target)
    assert torch.load(target, weights_only=True) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_draft_stands_beside_the_target(tmp_path, monkeypatch):
    """Only within one file system is a replacement one step."""
    seen = []
    replace = os.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: seen.append((self, target)) or replace(self, target))
    AtomicCheckpointIO().save_checkpoint({}, str(tmp_path / "last.ckpt"))
    assert [(source.parent, target) for source, target in seen] == [(tmp_path, tmp_path / "last.ckpt")]


def test_storage_options_are_refused(tmp_path):
    with pytest.raises(TypeError, match="local disks"):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "last.ckpt", storage_options={})


def test_the_last_one_is_kept_after_every_epoch(tmp_path):
    last = LastCheckpoint(folder=str(tmp_path))
    assert (last._every_n_epochs, last.save_top_k, last._save_on_train_epoch_end) == (1, 1, True)
    assert last.format_checkpoint_name({}) == str(tmp_path / "last.ckpt")
