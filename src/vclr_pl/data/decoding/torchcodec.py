"""torchcodec asked for by name: an error where it cannot be used, in place of PyAV for all files."""

from __future__ import annotations

from vclr_pl.data.decoding.auto import AutoDecoder
from vclr_pl.data.decoding.torchcodec_reader import torchcodec_failure
from vclr_pl.types import InputError


class TorchcodecDecoder(AutoDecoder):
    """torchcodec for every file that it reads exactly, however fast PyAV would read it; PyAV for the others.

    Raises:
        InputError: torchcodec cannot be used on this machine.
    """

    def __init__(self, *, threads: int, short_side_pixels: int | None) -> None:
        failure = torchcodec_failure()
        if failure is not None:
            raise InputError(
                expected="FFmpeg's shared libraries, which decoding=torchcodec uses",
                got=f"none that torchcodec can use ({failure})",
                remedy="Install FFmpeg (apt install ffmpeg, conda install -c conda-forge ffmpeg, or brew install ffmpeg), "
                "or set decoding=auto or decoding=pyav, which do without.",
            )
        super().__init__(threads=threads, short_side_pixels=short_side_pixels)
        self._fastest = False
