"""Memory of large batches: like any other, and given back."""

from __future__ import annotations

import gc
import mmap
from pathlib import Path

import pytest
import torch

from vclr_pl.data.loader import empty_pictures

LARGE = torch.Size((20, 3, 400, 400))  # 38 MB


@pytest.mark.parametrize("shape", [torch.Size((2, 3, 8, 8)), LARGE])
def test_it_is_memory_like_any_other(shape):
    pictures, other = empty_pictures(shape), empty_pictures(shape)
    pictures.fill_(1)
    other.fill_(2)
    assert pictures.shape == shape
    assert pictures.dtype == torch.float32
    assert pictures.is_contiguous()
    assert (pictures.min(), pictures.max(), other.min()) == (1, 1, 2)
    assert torch.equal(pictures[1:].clone(), pictures[1:])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc to see memory in")
def test_it_is_given_back():
    def is_mapped(address: int) -> bool:
        gc.collect()
        ranges = (line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines())
        return any(int(start, 16) <= address < int(end, 16) for start, end in ranges)

    pictures = empty_pictures(LARGE).fill_(1)
    part, address = pictures[0], pictures.data_ptr()
    del pictures
    assert is_mapped(address)
    assert part.sum() == part.numel()
    del part
    assert not is_mapped(address)


def test_a_kernel_without_large_pages_will_do(monkeypatch):
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 12345, raising=False)
    assert empty_pictures(LARGE).fill_(3).max() == 3
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    assert empty_pictures(LARGE).fill_(4).max() == 4
