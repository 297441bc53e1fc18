"""What the machine's matrix rate would allow: a step that consists of its convolutions and matrix products, and takes no time for the rest.

The limit is the step's operations divided by the rate, in the same run and data type. Operations are counted by torch
(`torch.utils.flop_counter`): 2 for a multiplication and an addition, borders of zeros included. The rate is that of the faster one of a
matrix product and the same product as a 1x1 convolution: for float32 on an AMD processor, torch multiplies at half the rate of the
convolution.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

SIZE = 1024  # rows and columns
IMAGES, PIXELS = 16, 8  # 16 x 8 x 8 = 1024 rows
REPEATED = 3  # the fastest counts


def operations_of(step: Callable[[], object]) -> int:
    """Of the convolutions and matrix products of a step, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds: of the wall, or of the CPU where one thread does all the work."""
    return time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter


class MatrixRate:
    """Measures operations a second on a device in a data type."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        generator = torch.Generator().manual_seed(0)
        self.device = device
        self.matrix = torch.randn(SIZE, SIZE, generator=generator).to(device, dtype)
        images = torch.randn(IMAGES, SIZE, PIXELS, PIXELS, generator=generator).to(device, dtype)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.kernel = self.matrix.view(SIZE, SIZE, 1, 1).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self) -> float:
        product = min(self._seconds(lambda: torch.mm(self.matrix, self.matrix)) for _ in range(REPEATED))
        convolution = min(self._seconds(lambda: torch.conv2d(self.images, self.kernel)) for _ in range(REPEATED))
        return 2 * SIZE**3 / min(product, convolution)

    def _seconds(self, multiply: Callable[[], object]) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        clock = clock_of(self.device)
        started = clock()
        multiply()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return clock() - started
