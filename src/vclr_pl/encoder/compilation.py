"""Compiled backbones: compiled at the first batch, kept where that works and, with `auto`, where it is faster.

`torch.compile` needs a C++ compiler on the CPU and takes up to a minute. A machine without a compiler trains with the network as it is.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

ROUNDS = 5  # each times both; the median of their ratios decides
WORTH_IT = 1.03  # minimum speedup

Loss = Callable[[], Tensor]


def compile_backbones(backbones: Sequence[nn.Module], *, loss: Loss, only_if_faster: bool) -> str:
    """Compile in place, or leave as it is; say in a line which and why.

    Args:
        backbones: parameters and buffers have the same names and values afterwards.
        loss: the passes of a step through the backbones, to a scalar; backward is run here.
        only_if_faster: time some steps of both.
    """
    with _same_buffers(backbones):
        _seconds(loss, backbones)
        for backbone in backbones:
            backbone.compile()
        try:
            first = _seconds(loss, backbones)
        except Exception as error:  # compilers raise classes of their own
            _use(backbones, [None] * len(backbones))
            return f"not compiled: {_reason(error)}"
        if not only_if_faster:
            return f"compiled in {first:.0f} s"
        speedup = _speedup(loss, backbones)
    if speedup < WORTH_IT:
        _use(backbones, [None] * len(backbones))
    kept = "compiled" if speedup >= WORTH_IT else "not compiled"
    return f"{kept}: {speedup:.2f} times as fast in {ROUNDS} steps, after {first:.0f} s of compilation"


def _speedup(loss: Loss, backbones: Sequence[nn.Module]) -> float:
    compiled = [backbone._compiled_call_impl for backbone in backbones]
    _seconds(loss, backbones)
    ratios = []
    for _ in range(ROUNDS):
        _use(backbones, [None] * len(backbones))
        plain = _seconds(loss, backbones)
        _use(backbones, compiled)
        ratios.append(plain / _seconds(loss, backbones))
    return statistics.median(ratios)


def _use(backbones: Sequence[nn.Module], calls: Sequence[Any]) -> None:
    """What `nn.Module.compile` sets; None is the module as it is."""
    for backbone, call in zip(backbones, calls, strict=True):
        backbone._compiled_call_impl = call


def _seconds(loss: Loss, backbones: Sequence[nn.Module]) -> float:
    """Of a step's passes, forward and backward. The parameters' gradients stay as they are."""
    trained = [parameter for backbone in backbones for parameter in backbone.parameters() if parameter.requires_grad]
    started = time.perf_counter()
    total = loss()
    if trained:
        torch.autograd.grad(total, trained, allow_unused=True)
    if total.is_cuda:
        torch.cuda.synchronize(total.device)
    return time.perf_counter() - started


@contextmanager
def _same_buffers(backbones: Sequence[nn.Module]) -> Iterator[None]:
    """Passes in training mode change the statistics of batch norms."""
    buffers = [buffer for backbone in backbones for buffer in backbone.buffers()]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


def _reason(error: BaseException) -> str:
    """The first line of what the compiler could not do."""
    inner = getattr(error, "inner_exception", error)
    return next((line.strip() for line in str(inner).splitlines() if line.strip()), type(inner).__name__)
