from __future__ import annotations

import logging
import os
import resource

import pytest

from vclr_pl.runner.log_file import LogFile

NAME = os.fsdecode(b"caf\xe9")


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("vclr_pl", logging.INFO, "", 0, "%s", (text,), None)


def test_any_name_is_shown(tmp_path):
    handler = LogFile(str(tmp_path / "train.log"))
    handler.emit(record(f"{NAME} \u2713"))
    handler.close()
    assert (tmp_path / "train.log").read_bytes() == "caf\\xe9 \u2713\n".encode()


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    """The standard handler prints a traceback and goes on."""
    handler = LogFile(str(tmp_path / "train.log"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        with pytest.raises(OSError, match=r"train\.log"):
            handler.emit(record("more than eight bytes"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        handler.close()
