from __future__ import annotations

import logging
import os
import re
import resource
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import pytorch_lightning as lightning
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from vclr_pl.runner.log import LOGGERS, SILENCED, ConsoleHandler, LogFile, warning_filters


def test_ours_pass_and_theirs_do_not(caplog):
    warning_filters()
    warnings.warn("The 'train_dataloader' does not have many workers which may be a bottleneck", UserWarning, stacklevel=1)
    with pytest.raises(UserWarning, match="ours"):
        warnings.warn("ours", UserWarning, stacklevel=1)
    rank_zero_info("Tip: not for the user of this program")
    assert not caplog.records


def test_each_exception_has_a_reason():
    assert all(re.compile(pattern) and len(reason.split()) > 3 for pattern, reason in SILENCED)
    assert all(reason for _, reason in LOGGERS)


@pytest.mark.parametrize("silenced", [False, True])
def test_the_login_node_of_a_cluster_is_no_news(silenced, tmp_path, monkeypatch):
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys, "argv", ["vclr-train"])
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        if silenced:
            warning_filters()
        lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    assert len([one for one in shown if "srun" in str(one.message)]) == (0 if silenced else 1)


@pytest.mark.parametrize(
    ("module", "category", "is_error"),
    [
        ("vclr_pl.op.contrast", UserWarning, True),
        ("torch.distributed.c10d_logger", FutureWarning, True),
        ("lightning_fabric.plugins.environments.slurm", UserWarning, False),
        ("torch.utils._pytree", FutureWarning, False),
    ],
)
def test_a_test_fails_by_what_our_code_causes(module, category, is_error):
    warn = f"import warnings; warnings.warn('of {module}', {category.__name__})"
    if is_error:
        with pytest.raises(category):
            exec(warn, {"__name__": module})
    else:
        with pytest.warns(category):
            exec(warn, {"__name__": module})


LONG = "a line that is not broken " * 20


@pytest.mark.parametrize(("rank", "level", "shown"), [("0", logging.INFO, True), ("1", logging.INFO, False), ("1", logging.ERROR, True)])
def test_the_first_process_speaks(rank, level, shown, monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", rank)
    ConsoleHandler().emit(logging.LogRecord("vclr_pl", level, "", 0, "%s [not markup]", (LONG,), None))
    assert capsys.readouterr().out == (f"{LONG} [not markup]\n" if shown else "")


def test_what_is_for_the_file_alone(capsys, tmp_path):
    handlers, log = (
        [ConsoleHandler(), LogFile(str(tmp_path / "log"))],
        logging.LogRecord("vclr_pl", logging.INFO, "", 0, "a step", (), None),
    )
    log.file_only = True
    for handler in handlers:
        handler.emit(log)
    handlers[1].close()
    assert (capsys.readouterr().out, (tmp_path / "log").read_text()) == ("", "a step\n")


def test_a_file_name_that_is_no_text(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.touch()
    command = (
        "import logging, sys; from pathlib import Path; from vclr_pl.runner.log import ConsoleHandler; "
        "from vclr_pl.text import print_readable; print_readable(); "
        "logging.getLogger().addHandler(ConsoleHandler()); "
        "[logging.getLogger().warning('broken: %s \u2713', found.name) for found in Path(sys.argv[1]).iterdir()]"
    )
    for encoding, told in (("utf-8", "broken: caf\\xe9.mp4 \u2713"), ("ascii", "broken: caf\\xe9.mp4 \\u2713")):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", command, str(tmp_path)], env=environment, capture_output=True, check=True)
        assert done.stdout.decode(encoding) == f"{told}\n"


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


def test_the_log_file_has_the_warnings_of_other_ranks_only(tmp_path, monkeypatch):
    """All ranks write into one run folder."""
    handler = LogFile(str(tmp_path / "train.log"))
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        for level in (logging.INFO, logging.WARNING):
            handler.emit(logging.LogRecord("a", level, "", 0, f"rank {rank}, level {level}", None, None))
    handler.close()
    assert (tmp_path / "train.log").read_text().splitlines() == ["rank 0, level 20", "rank 0, level 30", "rank 1, level 30"]
