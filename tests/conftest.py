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
from tests.remote_server import BUCKET, S3, SECRET, USER, proxy_to

FOOTAGE_VARIABLE = "VCLR_REAL_FOOTAGE"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """pytest-xdist sends reports as UTF-8, and a test of file names that are no text may log one."""
    report = yield
    report.sections = [(title, content.encode("utf-8", "backslashreplace").decode()) for title, content in report.sections]
    fail_skips_on_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole file is skipped while it is collected, by `pytest.importorskip` at its top."""
    report = yield
    fail_skips_on_ci(report)
    return report


# Skips that CI may have: what its machine cannot have, or what is no part of the project.
SKIPS_ON_CI = (
    "no real footage",
    "this machine has",
    "the test session has two processes",
    "mlflow is an option",  # 300 MB, 60 packages
    "the dashboard is an option",  # its package asks a server
    "no network namespace can be made here",  # it takes root
)


def fail_skips_on_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """CI installs every package and program that a test asks for: there a skip is a failure, which names what is missing."""
    if not os.environ.get("CI") or not report.skipped or not isinstance(report.longrepr, tuple):
        return
    file, line, reason = report.longrepr
    if not any(reason.removeprefix("Skipped: ").startswith(known) for known in SKIPS_ON_CI):
        report.outcome = "failed"
        report.longrepr = f"{file}:{line}: skipped on CI, which has to install what is missing: {reason.removeprefix('Skipped: ')}"


# Files that take longest: they start first, so that no process of pytest-xdist waits at the end for one of them. Those that start several
# processes alternate with those that have one, because two of the former at the same time want more than two cores.
LONGEST = (
    "integration/test_two_nodes.py",
    "integration/test_finetune.py",
    "integration/test_localize.py",
    "integration/test_kill.py",
    "documentation/test_notebook.py",
    "integration/test_slurm.py",
    "integration/test_evaluate.py",
    "integration/test_continuation.py",
    "integration/test_train_variants.py",
    "integration/test_resume.py",
    "documentation/test_wheel.py",
    "integration/test_train_processes.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests of the longest files to the front. The order within a file stays."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


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
def process_octet() -> Iterator[ProcessPair]:
    octet = ProcessPair(ranks=8)
    yield octet
    octet.close()


@pytest.fixture
def eight_processes(process_octet: ProcessPair) -> Callable[..., list[Any]]:
    """As `two_processes`, with eight."""
    return process_octet.run


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """An S3 server without requests before; use `s3`."""
    pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
    server = pytest.importorskip("moto.server", reason="moto, of the extra `dev`, is not installed").ThreadedMotoServer(
        port=0, verbose=False
    )
    server.start()
    address = server.get_host_and_port()
    import boto3  # comes with moto

    client = boto3.client(
        "s3", endpoint_url="http://{}:{}".format(*address), aws_access_key_id=USER, aws_secret_access_key=SECRET, region_name="us-east-1"
    )
    client.create_bucket(Bucket=BUCKET)
    with proxy_to(address) as proxy:
        yield S3(address, client, proxy)
    server.stop()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """An S3 server, with the credentials where its users have them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.proxy.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", USER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield s3_server
    s3_server.require_signatures("inf")
    s3_server.proxy.faults.clear()
    s3_server.proxy.requests.clear()


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


@pytest.fixture(scope="session")
def torchcodec_works() -> None:
    """Asks for FFmpeg's shared libraries, without which torchcodec does not decode."""
    from vclr_pl.video.torchcodec import torchcodec_failure

    failure = torchcodec_failure()
    if failure is not None:
        pytest.skip(f"torchcodec cannot be used here ({failure})")


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The path of the `ffmpeg` program."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("no ffmpeg program on the path (package: ffmpeg)")
    return program


@pytest.fixture
def in_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a `scontrol`, which adds its arguments to `asked`, prints the file `answer`, and ends with the code in `code`."""
    program = tmp_path / "scontrol"
    program.write_text(f'#!/bin/sh\ncd {tmp_path}\necho "$@" >> asked\ncat answer\necho no such job >&2\nexit $(cat code)\n')
    program.chmod(0o755)
    (tmp_path / "code").write_text("0")
    (tmp_path / "answer").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    return tmp_path
