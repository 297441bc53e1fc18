"""Any list of videos: CSV with a header `path,label`, plain lines of paths, or the published `rawframes` lists."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from vclr_pl.data.manifest import NO_LABEL, Manifest, VideoSplits
from vclr_pl.data.split.listed_video import list_lines, listed_manifest
from vclr_pl.data.split.video_scan import data_folder
from vclr_pl.types import InputError

RAWFRAMES = re.compile(r"(?P<path>.+) (?P<frames>\d+) (?P<label>\d+)")


def video_list(*, root: str | Path, train: str | Path, test: str | Path | None = None, allow_outside_root: bool = False) -> VideoSplits:
    """The videos that lists name.

    Args:
        root: paths of the lists start here.
        train, test: the lists. With a first line `path,label` (or `path`) a list is CSV: quotes are understood, and of an unquoted
            path with commas only the last field is the label. A list whose lines end in two numbers is one of frame folders as the
            published code reads it, `path frames label`. Else every line is a path, blanks and all. A label is a number, a class
            name, or empty.

    Raises:
        InputError: a missing list or folder, a video outside `root` or not on disk, names and numbers mixed as labels.
    """
    folder = data_folder(root)
    paths = {"train": _list_file(train, key="data.train")}
    if test is not None:
        paths["test"] = _list_file(test, key="data.test")
    class_names = _class_names(list(paths.values()))

    def manifest(path: Path) -> Manifest:
        entries = ((entry, _number(label, class_names=class_names)) for entry, label in _entries(path))
        return listed_manifest(entries, root=folder, source=path.name, allow_outside_root=allow_outside_root, class_names=class_names)

    splits = {name: manifest(path) for name, path in paths.items()}
    return VideoSplits(train=splits["train"], test=splits.get("test"))


def _list_file(path: str | Path, *, key: str) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise InputError(expected=f"{key} to be a list of videos", got=f"'{found}', which is no file", remedy=f"Set {key}=FILE.")
    return found


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """`(path, label)` of each line; the label is empty where there is none."""
    lines = iter(list_lines(path))
    first = next(lines, None)
    if first is None:
        return
    if RAWFRAMES.fullmatch(first):
        for line in itertools.chain([first], lines):
            yield _rawframes(line, path=path)
        return
    header = [field.strip().lower() for field in first.split(",")]
    if header not in (["path"], ["path", "label"]):
        yield first, ""
        yield from ((line, "") for line in lines)
        return
    labeled = len(header) == 2
    for fields in csv.reader(lines):
        if labeled and len(fields) < 2:
            raise InputError(
                expected="path,label", got=f"'{','.join(fields)}' in '{path}'", remedy="Add a comma, and a label if it has one."
            )
        yield (",".join(fields[:-1]), fields[-1].strip()) if labeled else (",".join(fields), "")


def _rawframes(line: str, *, path: Path) -> tuple[str, str]:
    found = RAWFRAMES.fullmatch(line)
    if found is None:
        raise InputError(expected=f"'path frames label' in every line of '{path}'", got=f"'{line}'", remedy="Correct the line.")
    return found["path"], found["label"]


def _class_names(paths: list[Path]) -> tuple[str, ...]:
    """Names over all lists, alphabetically; none where the labels are numbers."""
    labels = {label for path in paths for _, label in _entries(path)} - {""}
    names = {label for label in labels if not label.isdigit()}
    if names and names != labels:
        raise InputError(
            expected="labels that are all numbers or all names",
            got=f"'{min(names)}' and '{min(labels - names)}'",
            remedy=f"Correct the labels in {', '.join(path.name for path in paths)}.",
        )
    return tuple(sorted(names))


def _number(label: str, *, class_names: tuple[str, ...]) -> object:
    return NO_LABEL if not label else (label if class_names else int(label))
