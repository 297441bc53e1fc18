from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from vclr_pl.runner.global_batch import GLOBAL_BATCH, GlobalBatch, prefer_given_batches
from vclr_pl.types import InputError


def trainer(*, devices: int, accumulated: int) -> Any:
    return SimpleNamespace(world_size=devices, accumulate_grad_batches=accumulated, is_global_zero=True)


def started(
    *, devices: int, batch_size: int, accumulated: int, wanted: int | None = None, resume: Path | None = None
) -> tuple[Any, GlobalBatch]:
    present = trainer(devices=devices, accumulated=accumulated)
    loader = SimpleNamespace(batch_size=batch_size, global_batch_size=wanted)
    callback = GlobalBatch(trainer=present, data=SimpleNamespace(batch_size=batch_size, loader=loader))
    callback.settle(present, checkpoint=resume)
    return present, callback


def saved(path: Path, present: Any, callback: GlobalBatch) -> Path:
    content: dict[str, Any] = {}
    callback.on_save_checkpoint(present, None, content)
    torch.save(content, path)
    return path


def test_another_number_of_accumulated_batches_gives_way_in_a_line(caplog):
    present, _ = started(devices=1, batch_size=4, accumulated=3, wanted=32)
    assert present.accumulate_grad_batches == 8
    assert "trainer.accumulate_grad_batches=3 gives way to loader.global_batch_size" in caplog.text
    caplog.clear()
    started(devices=1, batch_size=4, accumulated=8, wanted=32)
    assert "gives way" not in caplog.text


def test_a_loader_of_before_has_no_global_batch():
    prefer_given_batches(OmegaConf.create({"loader": {"batch_size": 4}}), given=["loader.batch_size"])


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


@pytest.mark.parametrize(
    ("devices", "batch_size", "accumulated"), [(1, 32, 8), (2, 32, 4), (4, 32, 2), (8, 32, 1), (1, 256, 1), (16, 16, 1)]
)
def test_the_global_batch_is_kept_on_any_number_of_devices(caplog, devices, batch_size, accumulated):
    with caplog.at_level(logging.INFO):
        present, _ = started(devices=devices, batch_size=batch_size, accumulated=1, wanted=256)
    assert present.accumulate_grad_batches == accumulated
    (line,) = caplog.records
    assert line.getMessage().startswith(f"256 videos a step: {devices} device{'' if devices == 1 else 's'} x {batch_size} videos")
    assert line.levelno == logging.INFO


@pytest.mark.parametrize(
    ("devices", "videos", "remedy"),
    [
        (3, 288, "use 2 devices, for instance trainer.devices=2."),
        (6, 192, "use 4 devices, for instance trainer.devices=4."),
        (16, 512, "set loader.batch_size=16 loader.global_batch_size=256."),
        (32, 1024, "set loader.batch_size=8 loader.global_batch_size=256."),
    ],
)
def test_devices_that_do_not_make_the_global_batch_give_a_warning(caplog, devices, videos, remedy):
    present, _ = started(devices=devices, batch_size=32, accumulated=1, wanted=256)
    assert devices * 32 * present.accumulate_grad_batches == videos
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert f"{videos} videos a step, not the 256 of loader.global_batch_size" in line.getMessage()
    assert line.getMessage().endswith(f"For 256 {remedy}")


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_a_resumed_run_keeps_the_global_batch_of_its_option(tmp_path, devices):
    """Of 8 devices x 32 videos; and a run of one batch of 32 videos, of before the option, keeps them."""
    first = saved(tmp_path / "first.ckpt", *started(devices=8, batch_size=32, accumulated=1, wanted=256))
    second, _ = started(devices=devices, batch_size=32, accumulated=1, wanted=256, resume=first)
    assert second.accumulate_grad_batches == 8 // devices
    torch.save({GLOBAL_BATCH: {"batch_size": 32, "accumulated": 1, "videos": 128, "devices": 4}}, tmp_path / "before.ckpt")
    third, _ = started(devices=devices, batch_size=32, accumulated=1, wanted=256, resume=tmp_path / "before.ckpt")
    assert third.accumulate_grad_batches == 4 // devices


def test_another_global_batch_is_as_given(tmp_path):
    first = saved(tmp_path / "first.ckpt", *started(devices=1, batch_size=32, accumulated=1, wanted=256))
    second, _ = started(devices=1, batch_size=32, accumulated=1, wanted=128, resume=first)
    assert second.accumulate_grad_batches == 4


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["trainer"], 256),
        (["loader.workers"], 256),
        (["loader.batch_size"], None),
        (["trainer.accumulate_grad_batches"], None),
        (["loader.batch_size", "loader.global_batch_size"], 256),
    ],
)
def test_batches_that_the_user_gives_win(caplog, given, kept):
    config = OmegaConf.create({"loader": {"global_batch_size": 256}})
    with caplog.at_level(logging.INFO):
        prefer_given_batches(config, given=given)
    assert config.loader.global_batch_size == kept
    assert ("given. loader.global_batch_size=256 keeps them" in caplog.text) == (kept is None)
