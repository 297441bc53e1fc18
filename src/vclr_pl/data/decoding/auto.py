"""The policy `auto`: torchcodec where FFmpeg's libraries load, else PyAV; a folder is read as pictures.

What reads faster with PyAV is read by it in any case (docs/data.md): MP4 files with B-frames, of which it passes over those that are not
wanted, which torchcodec cannot, and AVI files, whose frames torchcodec's answers have to be checked for.
"""

from __future__ import annotations

import functools
import importlib
from os import PathLike, fspath
from pathlib import Path

from vclr_pl.data.decoding.container import container_of, mp4_reorders_frames
from vclr_pl.data.decoding.frame_folder import BACKEND as FRAME_FOLDER
from vclr_pl.data.decoding.frame_folder import FrameFolderDecoder
from vclr_pl.data.decoding.protocol import VideoDecoder, VideoReader
from vclr_pl.data.decoding.pyav import BACKEND as PYAV
from vclr_pl.data.decoding.pyav import PyavDecoder, PyavReader


@functools.cache
def torchcodec_loads() -> bool:
    """Whether torchcodec finds FFmpeg's shared libraries. Asked once a process, without a word on the terminal."""
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, RuntimeError, OSError):
        return False
    return True


class AutoDecoder:
    """Chooses a backend by what the machine has, when it is made. `threads` and `short_side_pixels` as in the backends."""

    def __init__(self, *, threads: int, short_side_pixels: int | None) -> None:
        self.threads, self.short_side_pixels = threads, short_side_pixels
        self._videos = _video_decoder(threads=threads, short_side_pixels=short_side_pixels)

    @property
    def backend(self) -> str:
        return self._videos.backend

    def backend_of(self, path: str | PathLike[str]) -> str:
        """The name of what reads this file."""
        if Path(path).is_dir():
            return FRAME_FOLDER
        return PYAV if self._prefers_pyav(path) else self.backend

    def open(self, path: str | PathLike[str]) -> VideoReader:
        if Path(path).is_dir():
            return FrameFolderDecoder(short_side_pixels=self.short_side_pixels).open(path)
        if self._prefers_pyav(path):
            return PyavReader(path, threads=self.threads, short_side_pixels=self.short_side_pixels)
        return self._videos.open(path)

    def _prefers_pyav(self, path: str | PathLike[str]) -> bool:
        return self.threads == 1 and _reads_faster_with_pyav(fspath(path))


def _reads_faster_with_pyav(file: str) -> bool:
    if not Path(file).is_file():
        return False  # a pipe would be waited for
    try:
        container = container_of(file)
    except OSError:
        return False  # the decoder tells
    return container == "avi" or (container == "mp4" and mp4_reorders_frames(file))


def _video_decoder(*, threads: int, short_side_pixels: int | None) -> VideoDecoder:
    if not torchcodec_loads():
        return PyavDecoder(threads=threads, short_side_pixels=short_side_pixels)
    # Imported here because the module fails to import where FFmpeg is absent.
    from vclr_pl.data.decoding.torchcodec import TorchcodecDecoder

    return TorchcodecDecoder(threads=threads, short_side_pixels=short_side_pixels)
