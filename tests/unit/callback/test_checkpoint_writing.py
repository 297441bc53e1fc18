from __future__ import annotations

import logging
import os
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from vclr_pl.callback.checkpoint_writing import AtomicCheckpointIO, HostCopy
from vclr_pl.files import usable


class Unwritable:
    def __deepcopy__(self, memo: object) -> Unwritable:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        raise OSError(28, "No space left on device")


def save(io: AtomicCheckpointIO, content: object, path: Path, **options: object) -> Exception | None:
    io.save_checkpoint({"a": content}, path, **options)
    return io.wait()


def loaded(path: Path) -> object:
    return torch.load(path, weights_only=True)["a"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_writes_what_torch_reads_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "checkpoints" / "last.ckpt"
    io = AtomicCheckpointIO()
    assert save(io, torch.ones(2), target) is None
    assert save(io, torch.zeros(2), target) is None
    assert torch.equal(loaded(target), torch.zeros(2))
    assert names(target.parent) == ["last.ckpt"]


def test_the_file_has_the_values_of_the_call_though_training_changes_them_at_once(tmp_path):
    weights, step = torch.ones(1000, 1000), {"step": 1}
    io = AtomicCheckpointIO()
    io.save_checkpoint({"a": [weights, step]}, tmp_path / "last.ckpt")
    weights.zero_()
    step["step"] = 2
    io.wait()
    assert torch.equal(loaded(tmp_path / "last.ckpt")[0], torch.ones(1000, 1000))
    assert loaded(tmp_path / "last.ckpt")[1] == {"step": 1}


def test_a_copy_uses_the_memory_of_the_one_before_and_keeps_order_and_layout():
    state = OrderedDict(b=torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last), a=torch.ones(3))
    state._metadata = {"": {"version": 1}}
    copies = HostCopy()
    first = copies.take({"state": state, "list": [state["a"]]})
    assert (list(first["state"]), first["state"]._metadata) == (["b", "a"], {"": {"version": 1}})
    assert first["state"]["b"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first["state"]["b"], state["b"])
    memory = first["state"]["b"].data_ptr()
    state["b"].add_(1)
    second = copies.take({"state": state})
    assert second["state"]["b"].data_ptr() == memory
    assert torch.equal(second["state"]["b"], state["b"])
    state["b"] = torch.zeros(5)
    assert torch.equal(copies.take({"state": state})["state"]["b"], torch.zeros(5))


def test_a_failure_leaves_the_good_file_and_is_a_warning(tmp_path, caplog):
    target = tmp_path / "last.ckpt"
    io = AtomicCheckpointIO()
    save(io, 1, target)
    with caplog.at_level(logging.WARNING):
        failure = save(io, Unwritable(), target)
    assert isinstance(failure, OSError)
    assert "last.ckpt is not written, and is tried again at the next checkpoint" in caplog.text
    assert "room on the disk" in caplog.text
    assert loaded(target) == 1
    assert names(tmp_path) == ["last.ckpt"]
    assert save(io, 2, target) is None  # the next one is written
    assert loaded(target) == 2


def test_the_draft_stands_beside_the_target(tmp_path, monkeypatch):
    """Only within one file system is a replacement one step."""
    seen = []
    replace = os.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: seen.append((self, target)) or replace(self, target))
    save(AtomicCheckpointIO(), 1, tmp_path / "last.ckpt")
    assert [(source.parent, target) for source, target in seen] == [(tmp_path, tmp_path / "last.ckpt")]


@pytest.mark.parametrize("has_links", [True, False])
def test_the_one_before_is_kept_but_not_a_damaged_one(tmp_path, monkeypatch, has_links):
    def refused(*paths: object) -> None:
        raise OSError(95, "Operation not supported")

    if not has_links:
        monkeypatch.setattr(os, "link", refused)
    last, previous = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    io = AtomicCheckpointIO()
    for number in (1, 2, 3):
        assert save(io, number, last, storage_options={"previous": previous}) is None
    assert (loaded(previous), loaded(last)) == (2, 3)
    last.write_bytes(last.read_bytes()[:-100])
    assert save(io, 4, last, storage_options={"previous": previous}) is None
    assert (loaded(previous), loaded(last)) == (2, 4)
    assert names(tmp_path) == ["last.ckpt", "previous.ckpt"]


def test_other_storage_options_are_refused(tmp_path):
    with pytest.raises(TypeError, match="local disks"):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "last.ckpt", storage_options={})


def test_every_damage_within_the_records_is_recognized(tmp_path):
    path = tmp_path / "last.ckpt"
    save(AtomicCheckpointIO(), torch.arange(64.0), path)
    whole = path.read_bytes()
    assert usable(path)
    for length in range(0, len(whole), 61):
        path.write_bytes(whole[:length])
        assert not usable(path), length
    start = whole.index(torch.arange(64.0).numpy().tobytes())
    for place in range(start, start + 256, 17):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert not usable(path), place
    path.write_bytes(b"\0" * len(whole))
    assert not usable(path)
    assert not usable(tmp_path)
    assert not usable(tmp_path / "absent.ckpt")
