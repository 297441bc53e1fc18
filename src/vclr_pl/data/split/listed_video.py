"""Videos that a list names: kept inside the data root, and looked for on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vclr_pl.data.manifest import Manifest, ManifestBuilder
from vclr_pl.types import InputError

REENCODED_SUFFIXES = (".mp4", ".webm", ".mkv", ".avi")


def inside_root(entry: str, *, root: Path, source: str, allow_outside_root: bool) -> str:
    """The path that a list's entry stands for, normalized; relative entries start at `root`.

    Raises InputError for an entry that leads out of `root` (by `..`, or absolute), unless `allow_outside_root`. Links inside the
    root may lead where they will: the owner of the data set them, not the list.
    """
    top = str(root).rstrip("/")
    path = os.path.normpath(entry if entry.startswith("/") else f"{top}/{entry}")  # strings, for this is called a million times
    if not (allow_outside_root or path.startswith(f"{top}/")):
        raise InputError(
            expected=f"{source} to name videos inside '{root}'",
            got=f"'{entry}'",
            remedy="Correct the list, or set data.allow_outside_root=true if you trust it.",
        )
    return path


def present(path: str) -> str | None:
    """`path`, or the same name with the suffix that a re-encoded copy bears, or None where neither is on disk.

    A folder counts too: frames extracted from a video stand in a folder of its name.
    """
    if os.path.exists(path):  # noqa: PTH110 (called a million times)
        return path
    stem = os.path.splitext(path)[0]  # noqa: PTH122
    return next((stem + suffix for suffix in (*REENCODED_SUFFIXES, "") if os.path.exists(stem + suffix)), None)  # noqa: PTH110


def listed_manifest(
    entries: Iterable[tuple[str, object]], *, root: Path, source: str, allow_outside_root: bool, class_names: tuple[str, ...]
) -> Manifest:
    """The videos of a list, `(path, label)`, all of which must be on disk.

    Raises InputError naming the first absent video and how many there are, or for a list without entries.
    """
    builder = ManifestBuilder(root=os.fspath(root))
    listed, absent, first_absent = 0, 0, ""
    for entry, label in entries:
        listed += 1
        wanted = inside_root(entry, root=root, source=source, allow_outside_root=allow_outside_root)
        path = present(wanted)
        if path is None:
            absent, first_absent = absent + 1, first_absent or wanted
        else:
            builder.add(path, label)
    if absent:
        raise InputError(
            expected=f"the {listed} videos that {source} names",
            got=f"{absent} absent, the first is '{first_absent}'",
            remedy="Set data.root=DIR to the folder that holds them all, or correct the list.",
        )
    if not listed:
        raise InputError(expected=f"videos in {source}", got="an empty list", remedy="Give a list that names at least one video.")
    return builder.finish(class_names=class_names)


def list_lines(path: Path) -> Iterable[str]:
    """Lines of a list, without line ends and blank lines; any byte of a file name survives."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        yield from (stripped for line in lines if (stripped := line.rstrip("\r\n")).strip())
