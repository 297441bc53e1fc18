from __future__ import annotations

import logging
import os
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from vclr_pl.callback.checkpoint_writing import AtomicCheckpointIO, HostCopy, PacedFile
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


class Pauses:
    """In the place of an event: notes how long it is waited for."""

    def __init__(self) -> None:
        self.seconds = []

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_the_writer_pauses_for_a_multiple_of_its_own_time(tmp_path, monkeypatch):
    clock = iter([0.0, 1.0, 1.0, 3.0, 3.0])  # seconds of the thread: the first piece takes 1, the second 2
    monkeypatch.setattr("vclr_pl.callback.checkpoint_writing.time.thread_time", lambda: next(clock))
    monkeypatch.setattr(PacedFile, "PIECE", 4)
    pauses = Pauses()
    with (tmp_path / "file").open("wb") as file:
        paced = PacedFile(file, hurry=pauses)
        assert [paced.write(content) for content in (b"ab", b"cdefg", b"hi")] == [2, 5, 2]
    assert (tmp_path / "file").read_bytes() == b"abcdefghi"
    share = [worked / (worked + paused) for worked, paused in zip((1.0, 2.0), pauses.seconds, strict=True)]
    assert share == pytest.approx([PacedFile.SHARE] * 2)


def test_a_file_that_something_waits_for_is_written_without_pauses(tmp_path, monkeypatch):
    monkeypatch.setattr(PacedFile, "SHARE", 1e-9)  # years
    assert save(AtomicCheckpointIO(), torch.ones(3000, 3000), tmp_path / "last.ckpt") is None
    assert torch.equal(loaded(tmp_path / "last.ckpt"), torch.ones(3000, 3000))


def test_what_this_process_has_written_is_not_read_again(tmp_path, monkeypatch):
    io, read = AtomicCheckpointIO(), []
    monkeypatch.setattr("vclr_pl.callback.checkpoint_writing.usable", lambda path: bool(read.append(path)))
    options = {"previous": tmp_path / "previous.ckpt"}
    for number in (1, 2):
        assert save(io, number, tmp_path / "last.ckpt", storage_options=options) is None
    assert (loaded(tmp_path / "previous.ckpt"), read) == (1, [tmp_path / "last.ckpt"])  # before the first, when it is another's
    (tmp_path / "last.ckpt").write_bytes(b"changed")
    save(io, 3, tmp_path / "last.ckpt", storage_options=options)
    assert (loaded(tmp_path / "previous.ckpt"), len(read)) == (1, 2)
