"""Measure whether bfloat16 is faster than float32 on this processor, with a matrix product and a convolution.

Processor flags are not sufficient: with avx512_bf16 but without AMX some compute bfloat16 more slowly than float32.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

import torch

BFLOAT16, FLOAT32 = "bf16-mixed", "32-true"
WORTH_IT = 1.1  # minimum speedup over float32 to accept bfloat16's lower precision
MATRIX = 384  # rows and columns
IMAGES, CHANNELS, PIXELS, KERNEL = 2, 64, 28, 3
MOST_ROUNDS, MOST_SECONDS = 8, 0.1


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
