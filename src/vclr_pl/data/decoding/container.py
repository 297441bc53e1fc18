"""What a file's own bytes say of its container, before any decoder opens it."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")
_MATROSKA_TRACKS = b"\x16\x54\xae\x6b"
_MATROSKA_POSE = re.compile(rb"\x76[\x73\x75][\x84\x88]")  # yaw or roll, a number of 4 or 8 bytes
_MATROSKA_HEAD_BYTES = 1 << 14
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


def mp4_index(file: str) -> bytes:
    """The box `moov` of an MP4, which some microseconds read; empty for every other container, and for what cannot be read."""
    try:
        with Path(file).open("rb") as stream:
            return _index_of(stream)
    except OSError:
        return b""


def mp4_reorders_frames(index: bytes) -> bool:
    """Whether an MP4 with this index shows frames in another order than it stores them, as B-frames need.

    It then has a table of composition offsets, `ctts` (ISO/IEC 14496-12, 8.6.1.3).
    """
    return b"ctts" in index


def mp4_is_turned(index: bytes) -> bool:
    """Whether a track, or the whole movie, is shown turned or mirrored (its matrix; ISO/IEC 14496-12, 8.2.2 and 8.3.2)."""
    return any(_turns(matrix) for matrix in _matrices(index))


def matroska_is_turned(file: str) -> bool:
    """Whether a track of a Matroska file has a projection, as turned and mirrored ones have (RFC 9559, 5.1.4.1.28.41)."""
    try:
        with Path(file).open("rb") as stream:
            head = stream.read(_MATROSKA_HEAD_BYTES)
    except OSError:
        return False
    tracks = head.find(_MATROSKA_TRACKS)
    return tracks >= 0 and _MATROSKA_POSE.search(head, tracks) is not None


def _matrices(index: bytes) -> Iterator[tuple[int, ...]]:
    """`a, b, u, c, d` of each matrix in the movie's header and the tracks' headers."""
    for name, place in ((b"mvhd", 36), (b"tkhd", 40)):
        start = index.find(name)
        while start >= 0:
            version = index[start + 4 : start + 5]
            matrix = start + 4 + place + (12 if version == b"\1" else 0)
            if len(index) >= matrix + 20:
                yield struct.unpack(">5i", index[matrix : matrix + 20])
            start = index.find(name, start + 4)


def _turns(matrix: tuple[int, ...]) -> bool:
    a, b, _, c, d = matrix
    return bool(b or c or a < 0 or d < 0)


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
