"""MP4 files with any of the eight display matrices, written into the track's header (ISO/IEC 14496-12, 8.3.2)."""

from __future__ import annotations

import struct
from pathlib import Path

ORIENTATIONS = {  # (a, b, c, d): a pixel at (x, y) is shown at (a x + c y, b x + d y)
    "upright": (1, 0, 0, 1),
    "hflip": (-1, 0, 0, 1),
    "vflip": (1, 0, 0, -1),
    "180": (-1, 0, 0, -1),
    "90": (0, 1, -1, 0),
    "270": (0, -1, 1, 0),
    "transposed": (0, 1, 1, 0),
    "anti-transposed": (0, -1, -1, 0),
}
_MATRIX_PLACE = 4 + 40  # behind the name of a header of version 0


def turn(path: Path, orientation: str, *, height: int, width: int) -> Path:
    """Writes the matrix into an MP4 with pictures of this size."""
    a, b, c, d = ORIENTATIONS[orientation]
    left, top = width * (a < 0) + height * (c < 0), width * (b < 0) + height * (d < 0)
    one, unit = 1 << 16, 1 << 30
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, left * one, top * one, unit)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + _MATRIX_PLACE
    assert content[place : place + 4] == struct.pack(">i", one)
    content[place : place + len(matrix)] = matrix
    path.write_bytes(bytes(content))
    return path
