"""What the machine has: a GPU or none."""

from __future__ import annotations

import torch

from vclr_pl.types import InputError


def refuse_absent_gpu(*, accelerator: str) -> None:
    """
    Raises:
        InputError: when a GPU is asked for by name and there is none.
    """
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available() and not torch.backends.mps.is_available():
        raise InputError(
            expected=f"a GPU, for trainer.accelerator={accelerator}",
            got="a machine on which torch finds none",
            hint="Use trainer=auto or trainer=cpu (two processes: trainer=ddp_cpu).",
        )
