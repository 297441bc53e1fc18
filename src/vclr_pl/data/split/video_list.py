"""Any list of videos: CSV with a header `path,label`, or the header-less forms of list_form.py."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from vclr_pl.data.manifest import Manifest, VideoSplits
from vclr_pl.data.split.list_form import HEADERS, list_form, refuse_header
from vclr_pl.data.split.listed_video import inside_root, list_lines, listed_manifest, present
from vclr_pl.data.split.video_scan import data_folder
from vclr_pl.types import InputError

NUMBER = re.compile(
    r"-?[0-9]{1,4000}"
)  # as many as Python makes a number of; what else is a digit to Unicode, as a superscript, is part of a name
NO_LABEL = "-1"  # as pytorchvideo and VideoMAE write it
COMMENT = re.compile(r"#(\s|$)")


def video_list(*, root: str | Path, train: str | Path, test: str | Path | None = None, allow_outside_root: bool = False) -> VideoSplits:
    """The videos that lists name.

    Args:
        root: paths of the lists start here.
        train, test: the lists. With a first line `path,label` (or `path`) a list is CSV: quotes are understood, and of an unquoted
            path with commas only the last field is the label. Else its form, of those of list_form.py, is the one in which its lines
            name what is on disk. A label is a number, a class name, or empty; -1 is none. Lines of `#` and a blank are comments.
            Numbered classes are numbered anew from 0, in their order; their names are the numbers of the list.

    Raises:
        InputError: a missing list or folder, a list whose form cannot be told, a video outside `root` or not on disk, names and
            numbers mixed as labels.
    """
    folder = data_folder(root)
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
    found = Path(path).expanduser()
    if not found.is_file():
        raise InputError(expected=f"{key} to be a list of videos", got=f"'{found}', which is no file", remedy=f"Set {key}=FILE.")
    with found.open("rb") as start:
        head = start.read(4096)
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(expected=f"{key} to be a list of videos", got=f"'{found}', which is no text", remedy=f"Set {key}=FILE.")
    return found


def _on_disk(entry: str, *, root: Path) -> bool:
    """Wherever it is: whether it may be there is asked later."""
    return bool(entry.strip()) and present(inside_root(entry, root=root, source="", allow_outside_root=True)) is not None


def _entries(path: Path, *, on_disk: Callable[[str], bool]) -> Callable[[], Iterator[tuple[str, str]]]:
    """Called, `(path, label)` of each line; the label is empty where there is none."""

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
                raise InputError(expected=f"'{form.name}' in every line of '{path}'", got=f"'{line}'", remedy="Correct the line.")
            yield reading[0], _canonical(reading[1])

    return entries


def _csv_entries(lines: Iterator[str], *, labeled: bool, path: Path) -> Iterator[tuple[str, str]]:
    next(lines)
    for fields in csv.reader(lines):
        if labeled and len(fields) < 2:
            raise InputError(
                expected="path,label", got=f"'{','.join(fields)}' in '{path}'", remedy="Add a comma, and a label if it has one."
            )
        yield (",".join(fields[:-1]), _canonical(fields[-1].strip())) if labeled else (",".join(fields), "")


def _canonical(label: str) -> str:
    """A number without leading zeros; empty for no label."""
    label = str(int(label)) if NUMBER.fullmatch(label) else label
    return "" if label == NO_LABEL else label


def _class_names(paths: list[Path], *, labels: set[str]) -> tuple[str, ...]:
    """Over all lists: names alphabetically, numbers by size."""
    labels = labels - {""}
    names = {label for label in labels if not NUMBER.fullmatch(label)}
    if names and names != labels:
        raise InputError(
            expected="labels that are all numbers or all names",
            got=f"'{min(names)}' and '{min(labels - names)}'",
            remedy=f"Correct the labels in {', '.join(path.name for path in paths)}.",
        )
    return tuple(sorted(names)) if names else tuple(sorted(labels, key=int))
