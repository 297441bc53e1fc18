"""Memory for a batch on the CPU, from the system in pages of 2 MB instead of 4 KB.

The C library gives blocks above 32 MB back to the system at once, so that every batch's memory is new, and the first touch of each
4 KB page costs as much as a third of all photometry: 0.30 ms a view of 224 pixels, against 0.06 ms with large pages.
"""

from __future__ import annotations

import contextlib
import math
import mmap

import torch
from torch import Tensor

_GIVEN_BACK_BYTES = 32 * 2**20  # glibc keeps what is smaller for the next batch


def empty_pictures(shape: torch.Size) -> Tensor:
    """A float32 tensor on the CPU, its content undefined."""
    size_bytes = 4 * math.prod(shape)
    if size_bytes < _GIVEN_BACK_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):  # Linux has them
        return torch.empty(shape, dtype=torch.float32)
    memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel built without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.float32).view(shape)
