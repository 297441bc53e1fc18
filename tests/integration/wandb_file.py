"""Read the file of an offline W&B run: records of protocol buffers in LevelDB's log format, in blocks of 32 KiB."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, FILE_HEADER, HEADER = 32_768, 7, 7
FULL, LAST = 1, 4


def records_of(path: Path) -> list[Any]:
    """Every record of the file, in order."""
    content, place, parts, found = path.read_bytes(), FILE_HEADER, b"", []
    while place + HEADER <= len(content):
        left = BLOCK - place % BLOCK
        if left < HEADER:  # the end of a block is padded
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        parts += content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found
