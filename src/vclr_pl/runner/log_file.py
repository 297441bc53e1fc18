"""The run's log file."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from vclr_pl.files import errors_name
from vclr_pl.text import READABLE


class LogFile(logging.FileHandler):
    """Shows any name as text. What keeps it from being written ends the run: the standard handler prints a traceback and goes on."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename, delay=True, encoding="utf-8", errors=READABLE)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 (logging's name)
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):  # else Python 3.13 tries once more to write what is left, and prints a traceback
                stream.close()
        with errors_name(Path(self.baseFilename)):
            raise  # logging calls this while it handles the error
