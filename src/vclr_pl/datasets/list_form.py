"""Formats of a line in a list of videos, and the detection of a list's format by the files on disk.

| form | used by |
|---|---|
| `path` | plain lists |
| `path label`, separated by blanks, a tab or a comma | pytorchvideo, mmaction2, VideoMAE |
| `path frames label` | mmaction2's and the published code's lists of frame folders |
| `path start total`, `path 0 -1` | VideoMAE's pretraining, without labels |
| `path label label ...` | mmaction2's lists with several labels per video: detected and refused |
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vclr_pl.datasets.video_scan import is_video
from vclr_pl.types import InputError

MOST_LINES = 1000  # lines read while several formats are possible
_TWO_NUMBERS = re.compile(r"(?P<path>.+?)[ \t,]+(?P<first>\d+)[ \t,]+(?P<second>-?\d+)\s*", re.ASCII)
_NUMBERS = re.compile(r"(?P<path>.+?)(?P<labels>(?:[ \t,]+\d+)+)\s*", re.ASCII)

Reading = tuple[str, str]  # path and label; the label is empty if there is none


@dataclass(frozen=True)
class ListForm:
    """`read` returns None for a line that does not have this format."""

    name: str
    read: Callable[[str], Reading | None]


def _path(line: str) -> Reading:
    return line, ""


def _after_blank(line: str) -> Reading:
    return _path_and_label(*_parted(line.rstrip(), separator=None), line=line.rstrip())


def _after_tab(line: str) -> Reading:
    return _path_and_label(*_parted(line, separator="\t"), line=line)


def _after_comma(line: str) -> Reading:
    if line.startswith('"'):
        *path, label = next(csv.reader([line]))
        return (",".join(path), label.strip()) if path else (label, "")
    return _path_and_label(*_parted(line, separator=","), line=line)


def _parted(line: str, *, separator: str | None) -> tuple[str, str]:
    parts = line.rsplit(separator, 1)
    return (parts[0], parts[1].strip()) if len(parts) == 2 else (line, "")


def _path_and_label(path: str, label: str, *, line: str) -> Reading:
    """A line that ends like a video's name has no label. Quotes around the path are removed."""
    if is_video(line.rpartition("/")[2]):
        return line, ""
    return (path[1:-1].replace('""', '"') if len(path) > 1 and path[0] == path[-1] == '"' else path), label


def _frames_and_label(line: str) -> Reading | None:
    match = _TWO_NUMBERS.fullmatch(line)
    return None if match is None or match["second"].startswith("-") or is_video(match["path"]) else (match["path"], match["second"])


def _start_and_total(line: str) -> Reading | None:
    """A frame folder starts at picture 0 or 1; -1 means all frames of a video."""
    match = _TWO_NUMBERS.fullmatch(line)
    if match is None or not (match["second"] == "-1" or (match["first"] in ("0", "1") and not is_video(match["path"]))):
        return None
    return match["path"], ""


def _several_labels(line: str) -> Reading | None:
    match = _NUMBERS.fullmatch(line)
    return (match["path"], " ".join(match["labels"].replace(",", " ").split())) if match is not None and is_video(match["path"]) else None


PATH = ListForm("path", _path)
BLANK = ListForm("path label", _after_blank)
TAB = ListForm("path<tab>label", _after_tab)
COMMA = ListForm("path,label", _after_comma)
START = ListForm("path start total", _start_and_total)
SEVERAL = ListForm("path label label ...", _several_labels)
# The first of equivalent formats is used. START is before FRAMES, because a folder of one picture is not a video.
FORMS = (PATH, BLANK, TAB, COMMA, START, ListForm("path frames label", _frames_and_label), SEVERAL)
HEADERS = {"path label": BLANK, "path\tlabel": TAB}
KNOWN_BY_HEADER = (PATH, COMMA, *HEADERS.values())


def list_form(lines: Iterable[str], *, source: str, on_disk: Callable[[str], bool]) -> ListForm:
    """Detect the format of a list without a header: that in which its lines name existing files.

    Args:
        lines: without comments and line ends.
        source: the list's name, for errors.
        on_disk: true if a path of the list exists.

    Raises:
        InputError: no line names a video in any format, two formats name different videos, or a video has several labels.
    """
    forms, first, count, unsure = list(FORMS), "", 0, ""
    for line in lines:
        first = first or line
        readings = {form.name: form.read(line) for form in forms}
        present = {reading: on_disk(reading[0]) for reading in set(readings.values()) if reading is not None}
        holding = [form for form in forms if (reading := readings[form.name]) is not None and present[reading]]
        if holding:
            count, forms = count + 1, holding
            unsure = unsure or (line if len({readings[form.name] for form in holding}) > 1 else "")
        if len(forms) == 1 or (count >= MOST_LINES and not unsure):
            break
    if not count:
        raise _no_form(first, source=source)
    if unsure and not _same(forms, unsure):
        names = " and ".join(f"'{form.name}'" for form in {form.read(unsure): form for form in reversed(forms)}.values())
        raise InputError(
            expected=f"unambiguous lines in {source}",
            got=f"'{_short(unsure)}', which names existing files both as {names}",
            hint="Insert a first line 'path' or 'path,label' into the list; docs/data.md shows the formats.",
        )
    if forms[0] is SEVERAL:
        if (reading := SEVERAL.read(line)) is not None and " " not in reading[1]:
            raise InputError(
                expected=f"path and label with the same separator in all lines of {source}",
                got=f"'{_short(first)}' and '{_short(line)}'",
                hint="Use the same separator in every line: a comma, a blank or a tab.",
            )
        raise InputError(
            expected=f"one label for each video of {source}, whose first line is '{_short(first)}'",
            got="several numbers after a video",
            hint="Keep one label per line, or only the paths to train without labels.",
        )
    return forms[0]


def refuse_header(lines: Iterable[str], *, form: ListForm, source: str, on_disk: Callable[[str], bool]) -> None:
    """Refuse an unknown header.

    Raises:
        InputError: only the first line names no existing file, and it does not have a video's suffix.
    """
    others = iter(lines)
    first = next(others)
    if (reading := form.read(first)) is not None and (is_video(reading[0]) or on_disk(reading[0])):
        return
    count = 0
    for line in others:
        if (reading := form.read(line)) is None or not on_disk(reading[0]):
            return
        count += 1
    if count:
        raise InputError(
            expected=f"a video in line 1 of {source}, as in its other lines, or the header '{form.name}'",
            got=f"'{_short(first)}', which looks like a header",
            hint=f"Replace it by '{form.name}'." if form in KNOWN_BY_HEADER else "Delete the line.",
        )


def _same(forms: list[ListForm], line: str) -> bool:
    """True if these formats are not ambiguous: they read the line alike, or START has priority (see FORMS)."""
    return len({form.read(line) for form in forms}) == 1 or forms[0] is START


def _no_form(first: str, *, source: str) -> InputError:
    forms = ", ".join(f"'{form.name}'" for form in FORMS if form is not SEVERAL)
    return InputError(
        expected=f"{source} to name videos below data.root, one per line: {forms}, or a first line 'path,label'",
        got=f"no line that names a video; the first is '{_short(first)}'",
        hint="Set data.root=DIR to the folder that the paths of the list are relative to, or correct the list.",
    )


def _short(line: str) -> str:
    printable = "".join(letter if letter.isprintable() or "\udc80" <= letter <= "\udcff" else "?" for letter in line)
    return printable if len(printable) <= 200 else f"{printable[:200]}..."
