"""Choose the decoding backend of each file.

`auto` uses torchcodec if FFmpeg's libraries load, else PyAV, which includes FFmpeg. On every machine, PyAV
reads files that torchcodec does not read exactly (containers other than MP4 and Matroska, rotated or mirrored videos) and, on
one thread, files that PyAV reads faster: MP4 files with B-frames, because it skips unneeded B-frames (docs/data.md). A folder
is read as numbered pictures.
"""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from vclr_pl.types import InputError
from vclr_pl.video.container import container_of, matroska_is_turned, mp4_index, mp4_is_turned, mp4_reorders_frames
from vclr_pl.video.frame_folder import BACKEND as FRAME_FOLDER
from vclr_pl.video.frame_folder import FrameFolderReader
from vclr_pl.video.protocol import VideoReader
from vclr_pl.video.pyav import BACKEND as PYAV
from vclr_pl.video.pyav import PyavReader
from vclr_pl.video.torchcodec import BACKEND as TORCHCODEC
from vclr_pl.video.torchcodec import TorchcodecReader, torchcodec_failure


def chosen_backend(path: str | PathLike[str], *, torchcodec_loads: bool, fastest: bool) -> str:
    """The backend for this file. With `fastest`, PyAV also reads the files that it reads faster."""
    try:
        if Path(path).is_dir():
            return FRAME_FOLDER
        if not torchcodec_loads:
            return PYAV
        if not Path(path).is_file():
            return TORCHCODEC  # absent, or a pipe, which could block: refused unread
        container = container_of(fspath(path))
    except OSError:
        return TORCHCODEC if torchcodec_loads else PYAV  # raises an error with the reason
    if container == "mp4":
        index = mp4_index(fspath(path))
        return PYAV if mp4_is_turned(index) or (fastest and mp4_reorders_frames(index)) else TORCHCODEC
    return TORCHCODEC if container == "matroska" and not matroska_is_turned(fspath(path)) else PYAV


class AutoDecoder:
    """Chooses a backend for each file. `threads` and `short_side_pixels` as in the backends."""

    def __init__(self, *, threads: int, short_side_pixels: int | None) -> None:
        self.threads, self.short_side_pixels = threads, short_side_pixels
        self._torchcodec_loads, self._fastest = torchcodec_failure() is None, threads == 1

    def backend_of(self, path: str | PathLike[str]) -> str:
        return chosen_backend(path, torchcodec_loads=self._torchcodec_loads, fastest=self._fastest)

    def open(self, path: str | PathLike[str]) -> VideoReader:
        backend = self.backend_of(path)
        if backend == FRAME_FOLDER:
            return FrameFolderReader(path, short_side_pixels=self.short_side_pixels)
        reader = TorchcodecReader if backend == TORCHCODEC else PyavReader
        return reader(path, threads=self.threads, short_side_pixels=self.short_side_pixels)


class TorchcodecDecoder(AutoDecoder):
    """torchcodec for every file that it reads exactly, even if PyAV is faster; PyAV for other files.

    Raises:
        InputError: torchcodec cannot be used on this machine.
    """

    def __init__(self, *, threads: int, short_side_pixels: int | None) -> None:
        failure = torchcodec_failure()
        if failure is not None:
            raise InputError(
                expected="FFmpeg's shared libraries, which decoding=torchcodec uses",
                got=f"none that torchcodec can use ({failure})",
                hint="Install FFmpeg (apt install ffmpeg, conda install -c conda-forge ffmpeg, or brew install ffmpeg), "
                "or set decoding=auto or decoding=pyav, which do not need it.",
            )
        super().__init__(threads=threads, short_side_pixels=short_side_pixels)
        self._fastest = False
