"""What the machine has: a GPU, native bfloat16; and the resolvers through which configs ask for it and for what follows from a crop."""

from __future__ import annotations

from pathlib import Path

import torch
from hydra.utils import get_method
from omegaconf import OmegaConf

from vclr_pl.types import InputError

FALLBACK_PRECISION = "32-true"
USUAL_SHORT_SIDE = "vclr_pl.data.transform.evaluation_view.usual_short_side"


def register_resolvers() -> None:
    """Make `${native_precision:bf16-mixed}` and `${usual_short_side:224}` known to configs."""
    OmegaConf.register_new_resolver("native_precision", native_precision, replace=True)
    OmegaConf.register_new_resolver("usual_short_side", lambda crop_pixels: get_method(USUAL_SHORT_SIDE)(crop_pixels), replace=True)


def native_precision(wanted: str) -> str:
    """`wanted` where this machine computes it in hardware, 32-true elsewhere: bfloat16 in software is several times slower."""
    return wanted if not wanted.startswith("bf16") or _computes_bfloat16() else FALLBACK_PRECISION


def _computes_bfloat16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text().split() if cpu.is_file() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def refuse_absent_gpu(*, accelerator: str) -> None:
    """
    Raises:
        InputError: when a GPU is asked for by name and there is none.
    """
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available() and not torch.backends.mps.is_available():
        raise InputError(
            expected=f"a GPU, for trainer.accelerator={accelerator}",
            got="a machine on which torch finds none",
            remedy="Use trainer=auto or trainer=cpu (two processes: trainer=ddp_cpu).",
        )
