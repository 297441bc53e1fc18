"""The precision of a run whose user names none: the faster one on this machine, and in all of its processes and resumptions the same.

Configs ask through the resolver `faster_precision` (`runner/composition.py`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from vclr_pl.runner.precision_probe import BFLOAT16, FLOAT32, processor_rates
from vclr_pl.runner.process_launch import PRECISION_VARIABLE
from vclr_pl.runner.provenance import CONFIG_FILE
from vclr_pl.runner.resume import checkpoint_path

logger = logging.getLogger(__name__)


def faster_precision(accelerator: str, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """As the trainer spells it, and why.

    Child processes of this job get its choice. On a CPU, processes started by torchrun or SLURM might measure differently: they take
    float32.
    """
    if PRECISION_VARIABLE in environment:
        return environment[PRECISION_VARIABLE], "as in the process that started this one"
    if accelerator != "cpu" and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return (BFLOAT16, "the GPU has it") if native else (FLOAT32, "the GPU has no bfloat16")
    if accelerator not in ("cpu", "auto") or (torch.backends.mps.is_available() and accelerator == "auto"):
        return FLOAT32, f"nothing was measured for trainer.accelerator={accelerator}"
    if int(environment.get("WORLD_SIZE") or environment.get("SLURM_NTASKS") or 1) > 1 or "NODE_RANK" in environment:
        return FLOAT32, "float32, so that all processes agree"
    rates = processor_rates()
    return rates.faster, rates.in_words


def settle_precision(config: DictConfig) -> None:
    """Log the precision and its reason, and pass it to child processes. A resumed run keeps its precision unless the user changes it.

    Raises:
        InputError: there is no checkpoint where `resume` says.
    """
    trainer = config.get("trainer")
    if trainer is None:
        return
    earlier = _of_resumed_run(config)
    if not OmegaConf.is_interpolation(trainer, "precision"):
        if earlier not in (None, trainer.precision):
            logger.info("precision: %s, as given; the resumed run used %s", trainer.precision, earlier)
        return
    reason = faster_precision(trainer.accelerator)[1]
    if earlier is not None:
        trainer.precision, reason = earlier, "from the resumed run"
    elif trainer.precision == BFLOAT16 and _convolves_over_time_on_a_processor(config):
        trainer.precision, reason = FLOAT32, "bfloat16 convolutions over time give NaN at random on a CPU"
    if PRECISION_VARIABLE not in os.environ:
        logger.info("precision: %s (%s)", trainer.precision, reason)
    os.environ[PRECISION_VARIABLE] = str(trainer.precision)


def _convolves_over_time_on_a_processor(config: DictConfig) -> bool:
    """Networks for clips. torch 2.14's 3D convolution reads memory that it has not set: 2 of 24 passes of r3d_18 were not finite."""
    on_gpu = config.trainer.accelerator != "cpu" and torch.cuda.is_available()
    return not on_gpu and (OmegaConf.select(config, "sampling.frames_per_clip") or 1) > 1


def _of_resumed_run(config: DictConfig) -> Any:
    if config.get("resume") is None:
        return None
    checkpoint = checkpoint_path(config.resume, experiment_folder=Path(config.paths.runs) / config.name)
    assert checkpoint is not None
    for folder in checkpoint.parents[:2]:
        if (folder / CONFIG_FILE).is_file():
            return OmegaConf.select(OmegaConf.load(folder / CONFIG_FILE), "trainer.precision")
    return None
