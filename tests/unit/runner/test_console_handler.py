from __future__ import annotations

import logging

import pytest

from vclr_pl.runner.console_handler import ConsoleHandler

LONG = "a line that is not broken " * 20


@pytest.mark.parametrize(("rank", "level", "shown"), [("0", logging.INFO, True), ("1", logging.INFO, False), ("1", logging.ERROR, True)])
def test_the_first_process_speaks(rank, level, shown, monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", rank)
    ConsoleHandler().emit(logging.LogRecord("vclr_pl", level, "", 0, "%s [not markup]", (LONG,), None))
    assert capsys.readouterr().out == (f"{LONG} [not markup]\n" if shown else "")
