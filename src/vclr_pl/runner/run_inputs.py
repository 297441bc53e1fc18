"""What identifies the files that a run reads, wherever they are: weights, and folders of videos."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from vclr_pl.report.record import RESULTS

MIB = 2**20
OF_FOLDER = ("backbone.safetensors", "recognizer.safetensors", RESULTS)  # the first that a run folder has identifies it
LISTS = (".txt", ".csv", ".tsv", ".json")
READ_FILES = 1000  # a folder may have 300,000 videos on a server; so many are enough to find other ones
DIGITS = 12


def identity_of_weights(path: str) -> str:
    """What changes when the weights change: name, size, first and last MiB of a file; the weights or results of a run folder, wherever it
    is. Names of the hub and of libraries, and paths of nothing, are themselves.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        inside = next((place / name for name in OF_FOLDER if (place / name).is_file()), None)
        return place.name if inside is None else _fingerprint(inside)
    return _fingerprint(place) if place.is_file() else path


def identity_of_videos(path: str) -> str:
    """`13320 files 0123456789ab`: of the names of all files in a folder, the sizes of up to 1000 of them, and the content of lists.

    A moved folder keeps its identity. Addresses of servers, and paths of nothing, are themselves.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        return path
    names = sorted(
        f"{folder[len(str(root)) :]}/{name}".lstrip("/")
        for folder, _, files in os.walk(root, followlinks=True)
        for name in files
        if not name.startswith(".")
    )
    digest = hashlib.sha256("\n".join(names).encode(errors="surrogateescape"))
    sizes = [(root / name).stat().st_size for name in _spread(names) if (root / name).is_file()]  # not links to nothing
    lists = [_fingerprint(root / name) for name in _spread([name for name in names if name.endswith(LISTS)]) if (root / name).is_file()]
    digest.update(repr((sizes, lists)).encode())
    return f"{len(names)} files {digest.hexdigest()[:DIGITS]}"


def _spread(names: Sequence[str]) -> Sequence[str]:
    return names[:: -(-len(names) // READ_FILES) or 1]


def _fingerprint(file: Path) -> str:
    """`last.ckpt 1024 0123456789ab`: name, bytes, and digits of the first and the last MiB."""
    size = file.stat().st_size
    with file.open("rb") as content:
        digest = hashlib.sha256(content.read(MIB))
        content.seek(max(0, size - MIB))
        digest.update(content.read(MIB))
    return f"{file.name} {size} {digest.hexdigest()[:DIGITS]}"
