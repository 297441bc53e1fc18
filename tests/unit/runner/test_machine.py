from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf

from vclr_pl.runner import machine
from vclr_pl.types import InputError


@pytest.mark.parametrize(
    ("wanted", "has_bfloat16", "given"),
    [("bf16-mixed", True, "bf16-mixed"), ("bf16-mixed", False, "32-true"), ("32-true", False, "32-true"), ("16-mixed", False, "16-mixed")],
)
def test_precision_follows_the_hardware(wanted, has_bfloat16, given, monkeypatch):
    monkeypatch.setattr(machine, "_computes_bfloat16", lambda: has_bfloat16)
    machine.register_resolvers()
    config = OmegaConf.create({"precision": f"${{native_precision:{wanted}}}"})
    assert config.precision == given


def test_the_hardware_answers():
    assert isinstance(machine._computes_bfloat16(), bool)


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_refused():
    with pytest.raises(InputError, match="trainer=cpu"):
        machine.refuse_absent_gpu(accelerator="gpu")
    machine.refuse_absent_gpu(accelerator="auto")
