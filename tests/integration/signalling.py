"""A signal at the same place every time: while a video is opened."""

from __future__ import annotations

import os
import signal
from os import PathLike, fspath

from vclr_pl.video.pyav import PyavDecoder, PyavReader


class SignallingDecoder(PyavDecoder):
    """Sends SIGTERM to `process` before it opens the file `name`."""

    def __init__(self, *, process: int, name: str) -> None:
        super().__init__(threads=1, short_side_pixels=None)
        self.process, self.name = process, name

    def open(self, path: str | PathLike[str]) -> PyavReader:
        if fspath(path).endswith(self.name):
            os.kill(self.process, signal.SIGTERM)
        return super().open(path)


def signal_at(name: str) -> str:
    """The option of a command that stops this process when the file `name` is opened."""
    return f"decoding={{_target_: tests.integration.signalling.SignallingDecoder, process: {os.getpid()}, name: {name}}}"
