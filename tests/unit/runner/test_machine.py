from __future__ import annotations

import pytest
import torch

from vclr_pl.runner import machine
from vclr_pl.types import InputError


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_refused():
    with pytest.raises(InputError, match="trainer=cpu"):
        machine.refuse_absent_gpu(accelerator="gpu")
    machine.refuse_absent_gpu(accelerator="auto")
