"""Lists of videos in text files: paths, labels, splits."""

from __future__ import annotations

import csv
import itertools
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from vclr_pl.datasets.list_form import HEADERS, list_form, refuse_header
from vclr_pl.datasets.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.datasets.video_scan import VIDEO_SUFFIXES, data_folder, exists_below, few
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.path import Folder, RemotePath
from vclr_pl.types import InputError

REENCODED_SUFFIXES = (".mp4", ".webm", ".mkv", ".avi")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
log = logging.getLogger(__name__)


def inside_root(entry: str, *, root: Folder, source: str, allow_outside_root: bool) -> str:
    """The normalized path of a list's entry; relative entries start at `root`.

    Raises InputError for an entry outside `root` (by `..`, or absolute), unless `allow_outside_root`. Links inside the
    root may point anywhere: they come from the owner of the data, not from the list.
    """
    top = str(root).rstrip("/")
    if isinstance(root, RemotePath):  # normpath would make s3:/ of s3://
        path = f"{top}/{os.path.normpath(entry.removeprefix(f'{top}/'))}"
        path = entry if path.startswith((f"{top}/../", f"{top}//")) else path
    else:
        path = os.path.normpath(entry if entry.startswith("/") else f"{top}/{entry}")  # strings, because this is called a million times
    if not (allow_outside_root or path.startswith(f"{top}/")):
        raise InputError(
            expected=f"{source} to name videos inside '{root}'",
            got=f"'{entry}'",
            hint="Correct the list, or set data.allow_outside_root=true if you trust it.",
        )
    return path


def present(path: str, *, exists: Callable[[str], bool] = os.path.exists) -> str | None:
    """`path`, or the same name with the suffix of a re-encoded copy, or None if neither exists.

    Only a known video suffix is replaced: `v0.mp4 0` is unchanged. Folders count too: frames extracted from a video are
    in a folder with its name.
    """
    if exists(path):
        return path
    stem, suffix = os.path.splitext(path)  # noqa: PTH122
    stem = stem if suffix.lower() in VIDEO_SUFFIXES else path
    return next((stem + suffix for suffix in (*REENCODED_SUFFIXES, "") if exists(stem + suffix)), None)


def listed_manifest(
    entries: Iterable[tuple[str, object]], *, root: Folder, source: str, allow_outside_root: bool, class_names: tuple[str, ...]
) -> Manifest:
    """The videos of a list, `(path, label)`, which must all exist.

    Raises InputError with the first missing video and their number, or for an empty list.
    """
    builder, exists = ManifestBuilder(root=root), exists_below(root)
    listed, absent, first_absent = 0, 0, ""
    seen, repeated = set[int](), list[str]()
    for entry, label in entries:
        listed += 1
        wanted = inside_root(entry, root=root, source=source, allow_outside_root=allow_outside_root)
        path = present(wanted, exists=exists)
        if path is None:
            absent, first_absent = absent + 1, first_absent or wanted
            continue
        if (known := hash(path)) in seen:  # a set of a million texts would be large
            repeated.append(path)
        seen.add(known)
        builder.add(path, label)
    if repeated:
        log.warning("%s contains %d videos more than once: %s", source, len(repeated), few(repeated))
    if absent:
        raise InputError(
            expected=f"the {listed} videos of {source} on disk",
            got=f"{absent} missing, the first is '{first_absent}'",
            hint="Set data.root=DIR to the folder that contains all of them, or correct the list.",
        )
    if not listed:
        raise InputError(expected=f"videos in {source}", got="an empty list", hint="Use a list with at least one video.")
    return builder.finish(class_names=class_names)


def list_lines(path: Folder) -> Iterable[str]:
    """Lines of a list, without line ends and blank lines; bytes of file names are preserved. UTF-8, or UTF-16 with a byte order mark."""
    with path.open("rb") as start:
        encoding = "utf-16" if start.read(2) in UTF16_MARKS else "utf-8-sig"  # PowerShell writes UTF-16
    with path.open(encoding=encoding, errors="surrogateescape") as lines:
        yield from (stripped for line in lines if (stripped := line.rstrip("\r\n")).strip())


NUMBER = re.compile(
    r"-?[0-9]{1,4000}"
)  # digits that Python converts to a number; other Unicode digits, such as superscripts, are part of a name
NO_LABEL = "-1"  # the label for none in pytorchvideo and VideoMAE
COMMENT = re.compile(r"#(\s|$)")


def video_list(
    *,
    root: str | Path,
    train: str | Path,
    test: str | Path | None = None,
    allow_outside_root: bool = False,
    cache: FileCache | None = None,
) -> VideoSplits:
    """Videos of lists in text files.

    Args:
        root: paths in the lists are relative to this folder, which may be the URL of a server; `cache` is for that.
        train, test: the lists. With a first line `path,label` (or `path`) a list is CSV: quotes are allowed, and in an unquoted
            path with commas only the last field is the label. Else its form, of those of list_form.py, is the one in which its lines
            name what is on disk. A label is a number, a class name, or empty; -1 is none. Lines of `#` and a blank are comments.
            Numbered classes are numbered anew from 0, in their order; their names are the numbers of the list.

    Raises:
        InputError: a missing list or folder, a list of unknown format, a video outside `root` or not on disk, names and
            numbers mixed as labels.
    """
    folder = data_folder(root, cache=cache)
    paths = {"train": _list_file(train, key="data.train")}
    if test is not None:
        paths["test"] = _list_file(test, key="data.test")
    readers = {name: _entries(path, on_disk=lambda entry: _on_disk(entry, root=folder)) for name, path in paths.items()}
    class_names = _class_names(list(paths.values()), labels={label for read in readers.values() for _, label in read()})

    def manifest(name: str) -> Manifest:
        return listed_manifest(
            readers[name](), root=folder, source=paths[name].name, allow_outside_root=allow_outside_root, class_names=class_names
        )

    return VideoSplits(train=manifest("train"), test=manifest("test") if test is not None else None).told(root=folder)


def _list_file(path: str | Path, *, key: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(expected=f"{key} to be a list of videos", got=f"'{file}', which is not a file", hint=f"Set {key}=FILE.")
    with file.open("rb") as start:
        head = start.read(4096)
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(expected=f"{key} to be a list of videos", got=f"'{file}', which is not text", hint=f"Set {key}=FILE.")
    return file


def _on_disk(entry: str, *, root: Folder) -> bool:
    """True if the entry exists, also outside `root`; this is checked later."""
    path = inside_root(entry, root=root, source="", allow_outside_root=True)
    return bool(entry.strip()) and present(path, exists=exists_below(root)) is not None


def _entries(path: Path, *, on_disk: Callable[[str], bool]) -> Callable[[], Iterator[tuple[str, str]]]:
    """Call it for `(path, label)` of each line; the label is empty if there is none."""

    def lines() -> Iterator[str]:
        return (line for line in list_lines(path) if not COMMENT.match(line) or on_disk(line.strip()))

    first = next(lines(), "")
    header = [field.strip().lower() for field in first.split(",")]
    if header in (["path"], ["path", "label"]):
        return lambda: _csv_entries(lines(), labeled=len(header) == 2, path=path)
    named = HEADERS.get(first.lower().rstrip())
    form = named or list_form(lines(), source=path.name, on_disk=on_disk) if first else None
    if form is not None and named is None:
        refuse_header(lines(), form=form, source=path.name, on_disk=on_disk)

    def entries() -> Iterator[tuple[str, str]]:
        for line in itertools.islice(lines(), int(named is not None), None):
            assert form is not None
            reading = form.read(line)
            if reading is None:
                raise InputError(expected=f"'{form.name}' in every line of '{path}'", got=f"'{line}'", hint="Correct this line.")
            yield reading[0], _canonical(reading[1])

    return entries


def _csv_entries(lines: Iterator[str], *, labeled: bool, path: Path) -> Iterator[tuple[str, str]]:
    next(lines)
    for fields in csv.reader(lines):
        if labeled and len(fields) < 2:
            raise InputError(expected="path,label", got=f"'{','.join(fields)}' in '{path}'", hint="Add a comma, and a label if it has one.")
        yield (",".join(fields[:-1]), _canonical(fields[-1].strip())) if labeled else (",".join(fields), "")


def _canonical(label: str) -> str:
    """A number without leading zeros; empty for no label."""
    label = str(int(label)) if NUMBER.fullmatch(label) else label
    return "" if label == NO_LABEL else label


def _class_names(paths: list[Path], *, labels: set[str]) -> tuple[str, ...]:
    """Labels of all lists: names alphabetically, numbers ascending."""
    labels = labels - {""}
    names = {label for label in labels if not NUMBER.fullmatch(label)}
    if names and names != labels:
        raise InputError(
            expected="labels that are all numbers or all names",
            got=f"'{min(names)}' and '{min(labels - names)}'",
            hint=f"Correct the labels in {', '.join(path.name for path in paths)}.",
        )
    return tuple(sorted(names)) if names else tuple(sorted(labels, key=int))
