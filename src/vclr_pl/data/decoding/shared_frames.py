"""Memory that a process and its child both see, for the frames that the child decodes.

Legend: T frames, C channels, H W pixels.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref

import numpy as np
import torch
from torch import Tensor

_FIRST_BYTES = 1 << 22  # grows to what the largest answer needs


class SharedFrames:
    """Bytes that both see: a file without a name, mapped by each at the size it has.

    Args:
        descriptor: of the file, in the child; None makes one.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _nameless_file() if descriptor is None else descriptor
        weakref.finalize(self, os.close, self.descriptor)
        self._bytes = mmap.mmap(self.descriptor, _FIRST_BYTES)
        self._lent = False

    @property
    def lent(self) -> bool:
        """Whether a tensor of `lend` still lives, so that nothing may be written."""
        return self._lent

    def write(self, frames_TCHW: Tensor) -> tuple[int, ...]:
        """In the child: copies the frames, gives their shape [T, H, W, C]."""
        frames_THWC = frames_TCHW.permute(0, 2, 3, 1).numpy()
        np.copyto(self._array(tuple(frames_THWC.shape)), frames_THWC)
        return tuple(frames_THWC.shape)

    def copy(self, shape_THWC: tuple[int, ...]) -> Tensor:
        """In the parent: `[T, C, H, W]`, its own."""
        return torch.from_numpy(self._array(shape_THWC).copy()).permute(0, 3, 1, 2)

    def lend(self, shape_THWC: tuple[int, ...]) -> Tensor:
        """In the parent: `[T, C, H, W]` in this memory, which is `lent` until the tensor and all views of it are gone."""
        array = self._array(shape_THWC)
        self._lent = True
        weakref.finalize(array, self._returned).atexit = False
        return torch.from_numpy(array).permute(0, 3, 1, 2)

    def _returned(self) -> None:
        self._lent = False

    def _array(self, shape: tuple[int, ...]) -> np.ndarray:
        size = int(np.prod(shape))
        if size > len(self._bytes):
            if os.fstat(self.descriptor).st_size < size:
                os.ftruncate(self.descriptor, size)
            self._bytes = mmap.mmap(self.descriptor, size)
        return np.frombuffer(self._bytes, dtype=np.uint8, count=size).reshape(shape)


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("frames")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, _FIRST_BYTES)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
