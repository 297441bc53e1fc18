"""Videos that a list names: kept inside the data root, and looked for on disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from vclr_pl.data.manifest import Manifest, ManifestBuilder
from vclr_pl.data.split.video_scan import VIDEO_SUFFIXES, few
from vclr_pl.types import InputError

REENCODED_SUFFIXES = (".mp4", ".webm", ".mkv", ".avi")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
log = logging.getLogger(__name__)


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
    """`path`, or the same name with the suffix of a re-encoded copy, or None where neither is on disk.

    Only a known video suffix is exchanged: of `v0.mp4 0` nothing is cut off. A folder counts too: frames extracted from a video are
    in a folder of its name.
    """
    if os.path.exists(path):  # noqa: PTH110 (called a million times)
        return path
    stem, suffix = os.path.splitext(path)  # noqa: PTH122
    stem = stem if suffix.lower() in VIDEO_SUFFIXES else path
    return next((stem + suffix for suffix in (*REENCODED_SUFFIXES, "") if os.path.exists(stem + suffix)), None)  # noqa: PTH110


def listed_manifest(
    entries: Iterable[tuple[str, object]], *, root: Path, source: str, allow_outside_root: bool, class_names: tuple[str, ...]
) -> Manifest:
    """The videos of a list, `(path, label)`, all of which must be on disk.

    Raises InputError naming the first absent video and how many there are, or for a list without entries.
    """
    builder = ManifestBuilder(root=os.fspath(root))
    listed, absent, first_absent = 0, 0, ""
    seen, repeated = set[int](), list[str]()
    for entry, label in entries:
        listed += 1
        wanted = inside_root(entry, root=root, source=source, allow_outside_root=allow_outside_root)
        path = present(wanted)
        if path is None:
            absent, first_absent = absent + 1, first_absent or wanted
            continue
        if (known := hash(path)) in seen:  # of a million paths a set of their texts would be large
            repeated.append(path)
        seen.add(known)
        builder.add(path, label)
    if repeated:
        log.warning("%s names %d videos more than once: %s", source, len(repeated), few(repeated))
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
    """Lines of a list, without line ends and blank lines; any byte of a file name survives. UTF-8, or UTF-16 with its mark."""
    with path.open("rb") as start:
        encoding = "utf-16" if start.read(2) in UTF16_MARKS else "utf-8-sig"  # PowerShell writes UTF-16
    with path.open(encoding=encoding, errors="surrogateescape") as lines:
        yield from (stripped for line in lines if (stripped := line.rstrip("\r\n")).strip())
