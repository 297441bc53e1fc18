from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vclr_pl.runner.console_handler import ConsoleHandler

LONG = "a line that is not broken " * 20


@pytest.mark.parametrize(("rank", "level", "shown"), [("0", logging.INFO, True), ("1", logging.INFO, False), ("1", logging.ERROR, True)])
def test_the_first_process_speaks(rank, level, shown, monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", rank)
    ConsoleHandler().emit(logging.LogRecord("vclr_pl", level, "", 0, "%s [not markup]", (LONG,), None))
    assert capsys.readouterr().out == (f"{LONG} [not markup]\n" if shown else "")


def test_a_file_name_that_is_no_text(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.touch()
    command = (
        "import logging, sys; from pathlib import Path; from vclr_pl.runner.console_handler import ConsoleHandler; "
        "from vclr_pl.text import print_readable; print_readable(); "
        "logging.getLogger().addHandler(ConsoleHandler()); "
        "[logging.getLogger().warning('broken: %s \u2713', found.name) for found in Path(sys.argv[1]).iterdir()]"
    )
    for encoding, told in (("utf-8", "broken: caf\\xe9.mp4 \u2713"), ("ascii", "broken: caf\\xe9.mp4 \\u2713")):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", command, str(tmp_path)], env=environment, capture_output=True, check=True)
        assert done.stdout.decode(encoding) == f"{told}\n"
