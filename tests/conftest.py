"""Shared by all tests: quiet threads, two gloo processes, the user's own footage, and which codecs the machine has."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: the machine's few cores belong to the workers and to pytest-xdist

import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.process_pair import ProcessPair

FOOTAGE_VARIABLE = "VCLR_REAL_FOOTAGE"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """pytest-xdist sends reports as UTF-8, and a test of file names that are no text may log one."""
    report = yield
    report.sections = [(title, content.encode("utf-8", "backslashreplace").decode()) for title, content in report.sections]
    return report


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def process_pair() -> Iterator[ProcessPair]:
    pair = ProcessPair()
    yield pair
    pair.close()


@pytest.fixture
def two_processes(process_pair: ProcessPair) -> Callable[..., list[Any]]:
    """`two_processes(function, *args)` runs a module-level function on ranks 0 and 1 of a gloo group; `[of rank 0, of rank 1]`.

    The pair starts with the first test that asks for it and serves the whole session. Tensors come back as they went.
    """
    return process_pair.run


@pytest.fixture(scope="session")
def real_footage() -> Path:
    """A folder of real videos, named by the environment variable VCLR_REAL_FOOTAGE."""
    folder = os.environ.get(FOOTAGE_VARIABLE)
    if not folder:
        pytest.skip(f"no real footage: set {FOOTAGE_VARIABLE} to a folder of videos to run this test")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"{FOOTAGE_VARIABLE} names {folder}, which is no folder")
    return path


def skip_unless_on_ci(reason: str) -> None:
    """A missing codec or tool is a skip on a developer's machine and a failure on CI, which installs them all."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; CI has to install it")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def torchcodec_works() -> None:
    """Asks for FFmpeg's shared libraries, without which torchcodec does not load."""
    try:
        import torchcodec.decoders  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        skip_unless_on_ci(f"torchcodec does not load here ({str(error).splitlines()[0]})")


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The path of the `ffmpeg` program."""
    program = shutil.which("ffmpeg")
    if program is None:
        skip_unless_on_ci("no ffmpeg program on the path")
    assert program is not None
    return program
