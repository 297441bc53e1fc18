"""What a file's own bytes say of its container, before any decoder opens it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")
_MOST_INDEX_BYTES = 1 << 26  # of hours of video it takes a few megabytes


def container_of(file: str) -> str | None:
    """`mp4`, `matroska` or `avi` by the file's first bytes; None for every other container. Raises OSError."""
    with Path(file).open("rb") as stream:
        head = stream.read(12)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    return "mp4" if head[4:8] in _MP4_FIRST_BOXES else None


def mp4_reorders_frames(file: str) -> bool:
    """Whether an MP4 shows frames in another order than it stores them, as B-frames need.

    It then has a table of composition offsets, `ctts`, in its index (ISO/IEC 14496-12, 8.6.1.3). Some microseconds; False for
    every other container, and for what cannot be read.
    """
    try:
        with Path(file).open("rb") as stream:
            index = _index_of(stream)
    except OSError:
        return False
    return b"ctts" in index


def _index_of(stream: BinaryIO) -> bytes:
    """The box `moov`, empty where there is none: boxes stand one after another, each begins with its size and name."""
    place, end = 0, os.fstat(stream.fileno()).st_size
    while place + 8 <= end:
        stream.seek(place)
        header = stream.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if header[4:8] == b"moov":
            stream.seek(place)
            return stream.read(min(size or end, _MOST_INDEX_BYTES))
        if size < 8 or (place == 0 and header[4:8] not in _MP4_FIRST_BOXES):
            break
        place += size
    return b""
