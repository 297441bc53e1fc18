"""Compiled functions give the results of the functions themselves, and a machine that cannot compile uses those."""

from __future__ import annotations

import logging
import math
import shutil

import pytest
import pytorch_lightning as lightning
import torch
from torch import Tensor

from vclr_pl.data.transform.color import blur_and_normalize, padded, tap_weights, turn_picture
from vclr_pl.data.transform.compilation import batches_of_run, compiled

HAS_COMPILER = shutil.which("g++") is not None or shutil.which("c++") is not None
LOGGER = "vclr_pl.data.transform.compilation"
PICTURE = torch.rand(3, 40, 36, generator=torch.Generator().manual_seed(0))


@pytest.mark.skipif(not HAS_COMPILER, reason="torch.compile needs a C++ compiler on the CPU")
def test_the_operations_on_a_cpu_are_equal_and_compiled_once(caplog):
    caplog.set_level(logging.INFO, logger=LOGGER)
    weights, other_weights = tap_weights(torch.tensor([1.3, 0.4]), reach=6).split(1)
    bordered, normalization = padded(PICTURE[None], reach=6), (torch.rand(3, 1, 1), torch.ones(3, 1, 1))
    turned, blurred, expected = compiled(turn_picture)(PICTURE, torch.tensor(0.05)), torch.empty(1, 3, 40, 36), torch.empty(1, 3, 40, 36)
    compiled(blur_and_normalize)(blurred, bordered, weights, normalization)
    blur_and_normalize(expected, bordered, weights, normalization)
    torch.testing.assert_close(turned, turn_picture(PICTURE, torch.tensor(0.05)), atol=1e-6, rtol=0)
    torch.testing.assert_close(blurred, expected, atol=1e-6, rtol=0)
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled(turn_picture)(PICTURE.flip(-1), torch.tensor(-0.1))
        compiled(blur_and_normalize)(blurred, bordered, other_weights, normalization)
    assert [record for record in caplog.records if record.name == LOGGER] == []


def test_a_machine_that_cannot_compile_uses_the_function(monkeypatch, tmp_path, caplog):
    def doubled(values: Tensor) -> Tensor:
        return values * 2

    caplog.set_level(logging.INFO, logger=LOGGER)
    monkeypatch.setenv("PATH", str(tmp_path))  # no compiler
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    for _ in range(2):
        assert compiled(doubled)(torch.ones(3)).tolist() == [2, 2, 2]
    (record,) = (record for record in caplog.records if record.name == LOGGER)
    assert record.getMessage().startswith("doubled is not compiled (")
    assert "\n" not in record.getMessage()


def test_errors_of_the_function_are_raised():
    def refused(values: Tensor) -> Tensor:
        if values.shape[0] == 3:
            raise ValueError("three")
        return values

    with pytest.raises(ValueError, match="three"):
        compiled(refused)(torch.ones(3))


def test_the_batches_of_a_run_are_those_of_its_trainer():
    for options, expected in [
        ({"max_epochs": 3}, 30),
        ({"max_steps": 7}, 7),
        ({"max_steps": 7, "accumulate_grad_batches": 4}, 28),
        ({"max_epochs": 2, "max_steps": 70}, 20),
        ({"max_epochs": -1}, math.inf),
    ]:
        trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **options)
        assert batches_of_run(trainer, per_epoch=10) == expected, options
