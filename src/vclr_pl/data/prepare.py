"""Copy a data set so that it decodes faster: videos are re-encoded, other files are copied. Every file keeps its name.

A re-encoded video is smaller, has a keyframe every few frames and no B-frames. To show frame i a decoder starts at the last keyframe
before it: in ordinary H.264 that is up to 250 frames back, here at most `keyframe_every` - 1.

A re-encoded `.avi` or `.webm` contains an MP4. FFmpeg, and so every decoder here, detects the format from the content. Lists, labels and
retrieval results that name files therefore remain valid for the copy.

Legend: H W pixels, C channels.
"""

from __future__ import annotations

import functools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange

from vclr_pl.data.copied_file import ABSENT, COPIED, KEPT, PRESENT, REENCODED, CopiedFile
from vclr_pl.data.fetch_ahead import followed
from vclr_pl.datasets.video_file import held, size_and_seconds
from vclr_pl.datasets.video_scan import data_folder, is_video, scan_files
from vclr_pl.files import DISK_IS_FULL, whole_file
from vclr_pl.remote.path import Folder
from vclr_pl.store import Part, ResumableFolder
from vclr_pl.types import InputError
from vclr_pl.video.container import UPRIGHT, orientation_of
from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import BACKEND, PyavDecoder
from vclr_pl.video.readability import SignOfLife, map_in_processes, process_count

CONTAINER = "mp4"
_RANGE = ColorRange.MPEG  # 16 to 235, the usual range of H.264


class Reencoder:
    """H.264 in an MP4 container, without sound. Every frame keeps its time.

    Args:
        short_side_pixels: short side of the copied videos.
        keyframe_every: frames between two keyframes.
        crf: x264's constant rate factor: 18 looks like the original, 23 is x264's default.
        preset: x264's preset. A slower one makes smaller files.
        tune: x264's tuning. `fastdecode` leaves out the deblocking filter and the arithmetic coder.
        enlarge: true enlarges videos smaller than `short_side_pixels`.
    """

    def __init__(self, *, short_side_pixels: int, keyframe_every: int, crf: int, preset: str, tune: str | None, enlarge: bool) -> None:
        for key, value, least in (("short_side_pixels", short_side_pixels, 16), ("keyframe_every", keyframe_every, 1), ("crf", crf, 0)):
            if value < least:
                raise InputError(
                    expected=f"set_copy.reencoder.{key} of at least {least}",
                    got=str(value),
                    hint=f"Set set_copy.reencoder.{key}={least} or more.",
                )
        self.short_side_pixels, self.keyframe_every, self.crf, self.preset = short_side_pixels, keyframe_every, crf, preset
        self.tune, self.enlarge = tune, enlarge

    @property
    def settings(self) -> dict[str, object]:
        """Settings common to all copies in one folder."""
        return dict(vars(self))

    def encode(self, source: str | PathLike[str], target: str | PathLike[str], *, each_frame: Callable[[], None]) -> int:
        """Write `target`, with any suffix, as MP4. Returns the number of frames.

        Raises:
            VideoReadError: the source does not decode completely. The target is then useless.
            OSError: the disk is full.
        """
        with PyavDecoder(threads=1, short_side_pixels=None).open(source) as reader:
            expected = reader.frame_count
        try:
            frames = self._encode(fspath(source), fspath(target), each_frame)
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
                raise
            raise VideoReadError(fspath(source), BACKEND, str(getattr(error, "strerror", None) or error)) from error
        if frames != expected:
            raise VideoReadError(fspath(source), BACKEND, f"only {frames} of {expected} frames decode")
        return frames

    def _encode(self, source: str, target: str, each_frame: Callable[[], None]) -> int:
        with (
            av.open(source, metadata_errors="replace") as original,
            av.open(target, "w", format=CONTAINER, options={"movflags": "+faststart"}) as copy,
        ):
            stream = original.streams.best("video")
            stream.thread_count, stream.thread_type = 1, "NONE"
            clock = _Clock(time_base=stream.time_base, rate=stream.average_rate or stream.guessed_rate)
            written, frames = None, 0
            for frame in original.decode(stream):
                upright = _upright(frame)
                if written is None:
                    written = self._stream(copy, upright, clock)
                picture = _scaled(upright, height=written.height, width=written.width)
                picture.pts, picture.time_base = clock.time_of(frame.pts), clock.time_base
                picture.pict_type = av.video.frame.PictureType.NONE  # x264 chooses the frame type, independent of the original
                copy.mux(written.encode(picture))
                frames += 1
                each_frame()
            if written is not None:
                copy.mux(written.encode(None))
        return frames

    def _stream(self, copy: av.container.OutputContainer, first: av.VideoFrame, clock: _Clock) -> av.VideoStream:
        height, width = self._size(height=first.height, width=first.width)
        every = str(self.keyframe_every)
        options = {"preset": self.preset, "crf": str(self.crf), "bf": "0", "g": every, "keyint_min": every, "sc_threshold": "0"}
        if self.tune is not None:
            options["tune"] = self.tune
        written = copy.add_stream("libx264", rate=clock.rate, options=options)
        written.width, written.height, written.pix_fmt = width, height, "yuv420p"
        written.codec_context.time_base = clock.time_base
        written.codec_context.thread_count = 1
        written.codec_context.colorspace = first.colorspace  # without it decoders assume BT.601 for small pictures
        written.codec_context.color_range = _RANGE
        return written

    def _size(self, *, height: int, width: int) -> tuple[int, int]:
        """(height, width), both even, as chroma subsampling requires."""
        keeps_its_size = min(height, width) <= self.short_side_pixels and not self.enlarge
        scale = 1.0 if keeps_its_size else self.short_side_pixels / min(height, width)
        return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


class _Clock:
    """Times of frames, from 0 and rising. Without times in the container, one frame for each tick of the frame rate."""

    def __init__(self, *, time_base: Fraction, rate: Fraction | None) -> None:
        self.time_base, self.rate = time_base, rate or Fraction(25)
        self._tick = max(1, round(1 / (self.rate * time_base)))
        self._first: int | None = None
        self._last = -self._tick

    def time_of(self, stored: int | None) -> int:
        if self._first is None:
            self._first = stored or 0
        expected = self._last + self._tick
        time = expected if stored is None else stored - self._first
        self._last = time if time > self._last else expected
        return self._last


def _scaled(frame: av.VideoFrame, *, height: int, width: int) -> av.VideoFrame:
    ranges = {"src_color_range": frame.color_range, "dst_color_range": _RANGE}
    return frame.reformat(width=width, height=height, format="yuv420p", interpolation="BICUBIC", **ranges)


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame, rotated and mirrored by the file's orientation."""
    orientation = orientation_of(frame)
    if orientation == UPRIGHT:
        return frame
    shown = orientation.apply(frame.to_ndarray(format="rgb24"))
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")


SETTINGS_FILE = ".vclr_prepare.json"
JOURNAL = ".vclr_prepare"  # only of commands with a part
_SAME_TIME_SECONDS = 2.0  # resolution of file times on some file systems
_EARLIER_SECONDS = 3600.0  # a video that was kept has an earlier time than its original, so the next command tries it again


class SetCopy:
    """Copies folders. Each file is processed in a separate process. The same call continues an interrupted copy.

    Args:
        reencoder: re-encodes the videos.
        processes: files processed at a time. None: the available cores.
        decode_timeout_seconds: time limit for one frame. A video that exceeds it, or crashes the decoder, is copied unchanged.
        part: `3/100`: only these files.
    """

    def __init__(self, *, reencoder: Reencoder, processes: int | None, decode_timeout_seconds: float, part: str | None = None) -> None:
        self.part = Part.of(part)
        self.reencoder, self.processes = reencoder, process_count(processes, key="set_copy.processes")
        self.decode_timeout_seconds = decode_timeout_seconds

    def plan(self, *, root: str | Folder, output: str | Path) -> list[str]:
        """The files below `root`, relative to it. Creates `output` and writes the settings into it.

        Raises:
            InputError: one folder contains the other, or `output` contains files that were not made with these settings.
        """
        folder, target = data_folder(root), Path(output).expanduser().absolute()
        inner, outer = folder.resolve() if isinstance(folder, Path) else None, target.resolve()
        if inner is not None and (inner == outer or inner in outer.parents or outer in inner.parents):
            raise InputError(
                expected="output and data.root outside each other", got=f"'{target}'", hint="Set output=DIR to another folder."
            )
        store = self.store(output)
        foreign = target.is_dir() and any(not path.name.startswith(".") for path in target.iterdir())
        if not store.description() and foreign:
            raise InputError(
                expected="output to be an empty or new folder", got=f"'{target}', which contains files", hint="Set output=DIR."
            )
        store.begin(self.reencoder.settings, content="videos", hint="Use the settings of that copy, or set output=DIR to another folder.")
        return list(scan_files(folder, wanted=lambda name: not name.startswith(".")))

    def store(self, output: str | Path) -> ResumableFolder:
        """The folder of the copy. A finished file has the modification time of its original."""
        target = Path(output).expanduser().absolute()
        return ResumableFolder(target, description=SETTINGS_FILE, journal=JOURNAL, part=self.part)

    def copy(self, files: list[str], *, root: str | Folder, output: str | Path) -> Iterator[CopiedFile]:
        """One row for each file, in order of completion. Raises OSError if the disk is full."""
        source, target = data_folder(root), Path(output).expanduser().absolute()
        remote = None if isinstance(source, Path) else source.remote

        def failed(file: str, reason: str) -> CopiedFile:
            return _keep(file, source / file, target / file, reason=reason)

        work = functools.partial(_copied, reencoder=self.reencoder, source=source, target=target)
        with self.store(output).exclusive():
            rows: Iterator[CopiedFile | OSError] = map_in_processes(
                followed(files, remote=remote),
                work=work,
                failed=failed,
                processes=self.processes,
                silence_seconds=self.decode_timeout_seconds,
            )
            for row in rows:
                if isinstance(row, OSError):
                    raise row
                yield row


def _copied(file: str, sign_of_life: SignOfLife, *, reencoder: Reencoder, source: Folder, target: Path) -> CopiedFile | OSError:
    """The row of a file; for a full disk an error, which ends the copy because the next files would fail too."""
    try:
        return _copy_file(file, sign_of_life, reencoder=reencoder, source=source, target=target)
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        return OSError(error.errno, error.strerror, str(target / file))


def _copy_file(file: str, sign_of_life: SignOfLife, *, reencoder: Reencoder, source: Folder, target: Path) -> CopiedFile:
    original, copy = source / file, target / file
    started, (size, changed) = time.perf_counter(), size_and_seconds(original)
    if copy.exists() and abs(copy.stat().st_mtime - changed) < _SAME_TIME_SECONDS:
        return CopiedFile(file, PRESENT, size, copy.stat().st_size, 0, 0.0, "")
    frames, kind = 0, COPIED
    try:
        with held(original) as local, whole_file(copy, one_writer=True) as draft:
            if is_video(original.name):
                frames, kind = reencoder.encode(local, draft, each_frame=sign_of_life), REENCODED
            else:
                shutil.copyfile(local, draft)
            os.utime(draft, (changed, changed))
    except VideoReadError as error:
        return _keep(file, original, copy, reason=error.reason)
    return CopiedFile(file, kind, size, copy.stat().st_size, frames, round(time.perf_counter() - started, 3), "")


def _keep(file: str, source: Folder, target: Path, *, reason: str) -> CopiedFile:
    """Copy a video that does not decode, with an earlier time, so that the next command tries it again."""
    try:
        with held(source) as local, whole_file(target, one_writer=True) as draft:
            shutil.copyfile(local, draft)  # without permissions: a read-only temporary file could not be overwritten
            size, changed = size_and_seconds(source)
            os.utime(draft, (changed, changed - _EARLIER_SECONDS))
    except VideoReadError as error:
        return CopiedFile(file, ABSENT, 0, 0, 0, 0.0, f"not copied: {error.reason}")
    except OSError as error:  # shutil also raises this for a pipe
        if error.errno in DISK_IS_FULL:
            raise
        return CopiedFile(file, ABSENT, 0, 0, 0, 0.0, f"{reason}; not copied: {error.strerror or error}")
    return CopiedFile(file, KEPT, size, size, 0, 0.0, reason)
