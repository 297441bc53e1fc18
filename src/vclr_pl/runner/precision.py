"""The precision of a run whose user names none: the faster one on this machine, and in all of its processes and resumptions the same.

On a CPU the faster one is measured, with a matrix product and a convolution. Processor flags are not sufficient: with avx512_bf16 but
without AMX some compute bfloat16 more slowly than float32.

Configs ask through the resolver `faster_precision` (`runner/composition.py`).
"""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from vclr_pl.report.record import CONFIG_FILE
from vclr_pl.runner.process_launch import PRECISION_VARIABLE
from vclr_pl.runner.resume import checkpoint_path

logger = logging.getLogger(__name__)

BFLOAT16, FLOAT32 = "bf16-mixed", "32-true"
WORTH_IT = 1.1  # minimum speedup over float32 to accept bfloat16's lower precision
MATRIX = 384  # rows and columns
IMAGES, CHANNELS, PIXELS, KERNEL = 2, 64, 28, 3
MOST_ROUNDS, MOST_SECONDS = 8, 0.1


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
    for folder in checkpoint.parents[:2] if checkpoint is not None else ():
        if (folder / CONFIG_FILE).is_file():
            return OmegaConf.select(OmegaConf.load(folder / CONFIG_FILE), "trainer.precision")
    return None


@dataclass(frozen=True)
class Seconds:
    """Of the matrix product, and of the convolution forward and backward."""

    product: float
    convolution: float

    @property
    def total(self) -> float:
        return self.product + self.convolution

    @property
    def in_words(self) -> str:
        """Billions of operations a second."""
        product = 2 * MATRIX**3 / self.product / 1e9
        convolution = 3 * 2 * IMAGES * (CHANNELS * PIXELS * KERNEL) ** 2 / self.convolution / 1e9
        return f"{product:.0f} and {convolution:.0f} GFLOP/s"


@dataclass(frozen=True)
class Rates:
    """Both precisions on one core."""

    float32: Seconds
    bfloat16: Seconds

    @property
    def faster(self) -> str:
        """As the trainer spells it."""
        return BFLOAT16 if self.float32.total > WORTH_IT * self.bfloat16.total else FLOAT32

    @property
    def in_words(self) -> str:
        return f"matrix product and convolution on one core: {self.bfloat16.in_words} in bfloat16, {self.float32.in_words} in float32"


@functools.cache
def processor_rates() -> Rates:
    """The smallest times of a few rounds, in which the two precisions alternate; once a process.

    On one thread, by the time that the thread has computed: so other work on the cores changes little, as threads that wait for one
    another do not, and the draws of a run are not touched.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        matrix = torch.full((MATRIX, MATRIX), 0.01)
        images = torch.full((IMAGES, CHANNELS, PIXELS, PIXELS), 0.01).to(memory_format=torch.channels_last).requires_grad_()
        kernel = torch.full((CHANNELS, CHANNELS, KERNEL, KERNEL), 0.01).to(memory_format=torch.channels_last).requires_grad_()
        for low in (False, True):  # the first time of each is slow: code is made for it
            _seconds(matrix, images, kernel, low=low)
        found: dict[bool, list[Seconds]] = {False: [], True: []}
        started = time.thread_time()
        while len(found[True]) < MOST_ROUNDS and (not found[True] or time.thread_time() - started < MOST_SECONDS):
            for low, times in found.items():
                times.append(_seconds(matrix, images, kernel, low=low))
    finally:
        torch.set_num_threads(threads)
    return Rates(float32=_smallest(found[False]), bfloat16=_smallest(found[True]))


def _smallest(times: list[Seconds]) -> Seconds:
    return Seconds(product=min(one.product for one in times), convolution=min(one.convolution for one in times))


def _seconds(matrix: torch.Tensor, images: torch.Tensor, kernel: torch.Tensor, *, low: bool) -> Seconds:
    with torch.enable_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
        started = time.thread_time()
        torch.mm(matrix, matrix)
        multiplied = time.thread_time()
        total = torch.nn.functional.conv2d(images, kernel, padding=KERNEL // 2).sum()
        torch.autograd.grad(total, (images, kernel))
        return Seconds(product=multiplied - started, convolution=time.thread_time() - multiplied)
