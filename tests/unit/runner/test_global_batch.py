from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vclr_pl.runner.global_batch import GlobalBatch
from vclr_pl.types import InputError


def trainer(*, devices: int, accumulated: int) -> Any:
    return SimpleNamespace(world_size=devices, accumulate_grad_batches=accumulated, is_global_zero=True)


def started(*, devices: int, batch_size: int, accumulated: int, resume: Path | None = None) -> tuple[Any, GlobalBatch]:
    present = trainer(devices=devices, accumulated=accumulated)
    callback = GlobalBatch(trainer=present, data=SimpleNamespace(batch_size=batch_size))
    if resume is not None:
        callback.keep(present, resume)
    return present, callback


def saved(path: Path, present: Any, callback: GlobalBatch) -> Path:
    content: dict[str, Any] = {}
    callback.on_save_checkpoint(present, None, content)
    torch.save(content, path)
    return path


@pytest.mark.parametrize(("devices", "accumulated"), [(1, 16), (2, 8), (4, 4), (8, 2), (16, 1)])
def test_other_devices_keep_the_videos_of_a_step(tmp_path, caplog, devices, accumulated):
    """Of 4 devices x 2 videos x 4 accumulated batches; then back, from the state of the changed run."""
    first = saved(tmp_path / "first.ckpt", *started(devices=4, batch_size=2, accumulated=4))
    with caplog.at_level(logging.INFO):
        second, callback = started(devices=devices, batch_size=2, accumulated=4, resume=first)
    assert second.accumulate_grad_batches == accumulated
    assert ("keep 32 videos a step" in caplog.text) == (devices != 4)
    third, _ = started(devices=4, batch_size=2, accumulated=4, resume=saved(tmp_path / "second.ckpt", second, callback))
    assert third.accumulate_grad_batches == 4


@pytest.mark.parametrize(("batch_size", "accumulated"), [(3, 4), (2, 5)])
def test_options_that_the_user_changes_are_as_given(tmp_path, batch_size, accumulated):
    first = saved(tmp_path / "first.ckpt", *started(devices=4, batch_size=2, accumulated=4))
    second, _ = started(devices=2, batch_size=batch_size, accumulated=accumulated, resume=first)
    assert second.accumulate_grad_batches == accumulated


def test_a_checkpoint_of_0_1_0_leaves_the_options(tmp_path):
    torch.save({}, tmp_path / "old.ckpt")
    second, _ = started(devices=2, batch_size=2, accumulated=1, resume=tmp_path / "old.ckpt")
    assert second.accumulate_grad_batches == 1


@pytest.mark.parametrize(("devices", "hint"), [(3, "loader.batch_size=3, for 9 videos"), (16, "loader.batch_size=1, for 16 videos")])
def test_devices_that_do_not_divide_are_told(tmp_path, devices, hint):
    first = saved(tmp_path / "first.ckpt", *started(devices=4, batch_size=2, accumulated=1))
    with pytest.raises(
        InputError, match=f"devices that share 8 videos a step, loader.batch_size=2 at a time; got {devices}; the run had 4.*{hint}"
    ):
        started(devices=devices, batch_size=2, accumulated=1, resume=first)
