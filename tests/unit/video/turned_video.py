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


def turn_matroska(path: Path, *, yaw_degrees: float, roll_degrees: float) -> Path:
    """Writes a projection into the one track of a Matroska file without checksums (RFC 9559, 5.1.4.1.28.41)."""
    content = path.read_bytes()
    tracks = content.rindex(b"\x16\x54\xae\x6b")  # the list of elements at the file's start names it too
    entry = content.index(b"\xae\x01", tracks)
    video = content.index(b"\xe0", content.index(b"\x83\x81\x01", entry) + 3)
    poses = struct.pack(">2sBf2sBf", b"\x76\x73", 0x84, yaw_degrees, b"\x76\x75", 0x84, roll_degrees)
    projection = b"\x76\x70" + bytes([0x80 + 4 + len(poses)]) + b"\x76\x71\x81\x00" + poses
    end = video + 2 + (content[video + 1] & 0x7F)
    changed = bytearray(content[:end] + projection + content[end:])
    for place, bytes_of_size in ((tracks + 4, 2), (entry + 1, 8), (video + 1, 1)):
        size = int.from_bytes(changed[place : place + bytes_of_size], "big") + len(projection)
        changed[place : place + bytes_of_size] = size.to_bytes(bytes_of_size, "big")
    path.write_bytes(bytes(changed))
    return path
