"""A machine that lacks what decoding needs: no file, the memory that processes share among them, may be larger than this."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

LARGEST_BYTES = 500_000


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """As `ulimit -f` sets it."""
    resource = pytest.importorskip("resource", reason="the system has no limits for processes")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
