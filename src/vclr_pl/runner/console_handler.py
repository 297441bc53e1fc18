"""Log lines on rich's console, the one that the progress bar uses, so that neither overwrites the other."""

from __future__ import annotations

import logging

import rich

from vclr_pl.runner.process_launch import process_rank


class ConsoleHandler(logging.Handler):
    """One log record, one line. Of several processes only the first one is_main_process, unless something went wrong."""

    def emit(self, record: logging.LogRecord) -> None:
        if process_rank() != 0 and record.levelno < logging.ERROR:
            return
        style = "yellow" if record.levelno >= logging.WARNING else None
        rich.get_console().print(self.format(record), style=style, soft_wrap=True, markup=False, highlight=False)
