from __future__ import annotations

import logging
import os
import platform
import subprocess
import sys
import time

import pytest
import torch
from omegaconf import OmegaConf
from tests.user_environment import user_environment

from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.precision import BFLOAT16, FLOAT32, Rates, Seconds, faster_precision, processor_rates, settle_precision
from vclr_pl.runner.process_launch import PRECISION_VARIABLE
from vclr_pl.types import InputError

CHOSEN = "${faster_precision:${trainer.accelerator}}"
CHOOSE = "from vclr_pl.runner.precision import processor_rates; print(processor_rates().faster)"


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
    torch.save({}, folder / "earlier" / "checkpoints" / "last.ckpt")
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


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
@pytest.mark.parametrize("accelerator", ["auto", "gpu"])
def test_a_gpu_computes_in_bfloat16_where_it_has_it(accelerator, native, expected, monkeypatch):
    """A GPU as torch would describe it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert faster_precision(accelerator, {})[0] == expected


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
    torch.save({}, tmp_path / "last.ckpt")
    settled = config(tmp_path, resume=str(tmp_path / "last.ckpt"))
    settle_precision(settled)
    assert settled.trainer.precision == processor_rates().faster
    with pytest.raises(InputError, match=r"resume="):
        settle_precision(config(tmp_path, resume=str(tmp_path / "none.ckpt")))


def test_a_command_without_a_trainer_has_none():
    settle_precision(OmegaConf.create({"name": "check"}))


@pytest.mark.parametrize(
    ("product", "convolution", "chosen"),
    [
        (107 / 72, 3.49 / 2.71, FLOAT32),  # an Intel processor with avx512_bf16 and no AMX, as measured: bfloat16 is slower in both
        (0.5, 0.6, BFLOAT16),
        (0.97, 0.95, FLOAT32),  # not worth its digits
        (0.5, 1.5, FLOAT32),  # a step of training is mostly convolutions
    ],
)
def test_the_faster_one_is_chosen(product, convolution, chosen):
    float32 = Seconds(product=1e-3, convolution=4e-3)
    bfloat16 = Seconds(product=product * 1e-3, convolution=convolution * 4e-3)
    assert Rates(float32=float32, bfloat16=bfloat16).faster == chosen


def hand_timed(dtype: torch.dtype) -> float:
    """Seconds of the fastest of a few passes through two convolutions, on one thread."""
    layers = torch.nn.Sequential(torch.nn.Conv2d(32, 64, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 1))
    layers = layers.to(memory_format=torch.channels_last, dtype=dtype)
    images = torch.ones(4, 32, 28, 28, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(6):
        started = time.thread_time()
        layers(images).sum().backward()
        seconds.append(time.thread_time() - started)
    return min(seconds)


def test_it_is_the_faster_one_by_the_clock():
    ratio = hand_timed(torch.float32) / hand_timed(torch.bfloat16)
    if ratio > 1.5:
        assert processor_rates().faster == BFLOAT16
    elif ratio < 0.8:
        assert processor_rates().faster == FLOAT32
    assert processor_rates().faster in (BFLOAT16, FLOAT32)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is told to be an older x86 processor")
def test_a_processor_without_bfloat16_computes_float32(tmp_path):
    environment = user_environment(home=tmp_path, ONEDNN_MAX_CPU_ISA="AVX512_CORE")
    ended = subprocess.run([sys.executable, "-c", CHOOSE], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == FLOAT32


def test_it_is_measured_once_and_leaves_no_trace():
    draws, threads = torch.get_rng_state(), torch.get_num_threads()
    found = processor_rates()
    assert processor_rates() is found
    assert torch.equal(torch.get_rng_state(), draws)
    assert torch.get_num_threads() == threads
    assert found.in_words.count("GFLOP/s") == 2


def test_rates_are_operations_by_seconds():
    # 2 x 384^3 = 0.1132 billion; 2 images x 28 x 28 x 64 x 64 x 9 x 2 operations x 3 passes = 0.3468 billion
    assert Seconds(product=1e-3, convolution=1e-3).in_words == "113 and 347 GFLOP/s"
