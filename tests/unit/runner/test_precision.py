from __future__ import annotations

import logging
import os

import pytest
import torch
from omegaconf import OmegaConf

from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.precision import faster_precision, settle_precision
from vclr_pl.runner.precision_probe import processor_rates
from vclr_pl.runner.process_launch import PRECISION_VARIABLE
from vclr_pl.types import InputError

CHOSEN = "${faster_precision:${trainer.accelerator}}"


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    register_resolvers()
    monkeypatch.setenv(PRECISION_VARIABLE, "")  # so that it is put back afterwards
    monkeypatch.delenv(PRECISION_VARIABLE)


def config(folder, *, precision=CHOSEN, resume=None):
    trainer = {"accelerator": "cpu", "precision": precision}
    return OmegaConf.create({"trainer": trainer, "resume": resume, "name": "demo", "paths": {"runs": str(folder)}})


def earlier_run(folder, *, precision):
    (folder / "earlier" / "checkpoints").mkdir(parents=True)
    (folder / "earlier" / "checkpoints" / "last.ckpt").write_bytes(b"")
    (folder / "earlier" / "config.yaml").write_text(f"trainer:\n  precision: {precision}\n")
    return str(folder / "earlier")


@pytest.mark.parametrize(
    ("environment", "precision"),
    [
        ({PRECISION_VARIABLE: "bf16-mixed", "WORLD_SIZE": "2"}, "bf16-mixed"),
        ({PRECISION_VARIABLE: "32-true"}, "32-true"),
        ({"WORLD_SIZE": "2"}, "32-true"),
        ({"SLURM_NTASKS": "4"}, "32-true"),
        ({"NODE_RANK": "1"}, "32-true"),
    ],
)
def test_processes_of_one_run_agree(environment, precision):
    assert faster_precision("cpu", environment)[0] == precision


@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_a_processor_is_measured_and_a_gpu_asked(accelerator):
    found = faster_precision(accelerator, {"WORLD_SIZE": "1"})[0]
    if accelerator == "auto" and torch.cuda.is_available():
        assert found == ("bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true")
    else:
        assert found == processor_rates().faster


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_what_is_not_there_is_not_measured():
    assert faster_precision("gpu", {})[0] == "32-true"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("frames_per_clip", [1, 4])
def test_networks_for_clips_compute_in_float32_on_a_processor(tmp_path, frames_per_clip):
    settled = config(tmp_path)
    settled.sampling = {"frames_per_clip": frames_per_clip}
    settle_precision(settled)
    expected = processor_rates().faster if frames_per_clip == 1 else "32-true"
    assert os.environ[PRECISION_VARIABLE] == settled.trainer.precision == expected


def test_the_choice_is_told_once_and_passed_on(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    settled = config(tmp_path)
    settle_precision(settled)
    assert os.environ[PRECISION_VARIABLE] == settled.trainer.precision == processor_rates().faster
    settle_precision(config(tmp_path))  # as a process does that this one has started
    (line,) = caplog.messages
    assert line == f"precision: {processor_rates().faster} ({processor_rates().in_words})"


@pytest.mark.parametrize("stored", ["32-true", "bf16-mixed"])
def test_a_resumed_run_keeps_its_precision(stored, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    settled = config(tmp_path, resume=earlier_run(tmp_path, precision=stored))
    settle_precision(settled)
    assert settled.trainer.precision == os.environ[PRECISION_VARIABLE] == stored
    assert caplog.messages == [f"precision: {stored} (from the resumed run)"]


def test_a_precision_of_the_user_holds_and_a_change_is_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    settle_precision(config(tmp_path, precision="32-true"))
    assert caplog.messages == []
    settle_precision(config(tmp_path, precision="16-mixed", resume=earlier_run(tmp_path, precision="bf16-mixed")))
    assert caplog.messages == ["precision: 16-mixed, as given; the resumed run used bf16-mixed"]
    assert PRECISION_VARIABLE not in os.environ


def test_a_checkpoint_without_a_config_changes_nothing(tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"")
    settled = config(tmp_path, resume=str(tmp_path / "last.ckpt"))
    settle_precision(settled)
    assert settled.trainer.precision == processor_rates().faster
    with pytest.raises(InputError, match=r"resume="):
        settle_precision(config(tmp_path, resume=str(tmp_path / "none.ckpt")))


def test_a_command_without_a_trainer_has_none():
    settle_precision(OmegaConf.create({"name": "check"}))
