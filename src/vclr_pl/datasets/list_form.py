"""How a line of a list is read: the forms in use, and which of them a list has, by what is on disk.

| form | used by |
|---|---|
| `path` | plain lists |
| `path label`, separated by blanks, a tab or a comma | pytorchvideo, mmaction2, VideoMAE |
| `path frames label` | mmaction2's and the published code's lists of frame folders |
| `path start total`, `path 0 -1` | VideoMAE's pretraining, without labels |
| `path label label ...` | mmaction2's lists of several labels a video: recognized, to be refused |
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vclr_pl.datasets.video_scan import is_video
from vclr_pl.types import InputError

MOST_LINES = 1000  # lines that are read while several forms are possible
_TWO_NUMBERS = re.compile(r"(?P<path>.+?)[ \t,]+(?P<first>\d+)[ \t,]+(?P<second>-?\d+)\s*", re.ASCII)
_NUMBERS = re.compile(r"(?P<path>.+?)(?P<labels>(?:[ \t,]+\d+)+)\s*", re.ASCII)

Reading = tuple[str, str]  # path and label; the label is empty where there is none


@dataclass(frozen=True)
class ListForm:
    """`read` gives None for a line that is not of this form."""

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
    """A line that ends as a video's name does has no label; quotes around the path are not part of it."""
    if is_video(line.rpartition("/")[2]):
        return line, ""
    return (path[1:-1].replace('""', '"') if len(path) > 1 and path[0] == path[-1] == '"' else path), label


def _frames_and_label(line: str) -> Reading | None:
    found = _TWO_NUMBERS.fullmatch(line)
    return None if found is None or found["second"].startswith("-") or is_video(found["path"]) else (found["path"], found["second"])


def _start_and_total(line: str) -> Reading | None:
    """A frame folder starts at picture 0 or 1; -1 stands for all frames of a video."""
    found = _TWO_NUMBERS.fullmatch(line)
    if found is None or not (found["second"] == "-1" or (found["first"] in ("0", "1") and not is_video(found["path"]))):
        return None
    return found["path"], ""


def _several_labels(line: str) -> Reading | None:
    found = _NUMBERS.fullmatch(line)
    return (found["path"], " ".join(found["labels"].replace(",", " ").split())) if found is not None and is_video(found["path"]) else None


PATH = ListForm("path", _path)
BLANK = ListForm("path label", _after_blank)
TAB = ListForm("path<tab>label", _after_tab)
COMMA = ListForm("path,label", _after_comma)
START = ListForm("path start total", _start_and_total)
SEVERAL = ListForm("path label label ...", _several_labels)
# Of forms that read every line alike the first counts; START before FRAMES, for a folder of one picture is no video.
FORMS = (PATH, BLANK, TAB, COMMA, START, ListForm("path frames label", _frames_and_label), SEVERAL)
HEADERS = {"path label": BLANK, "path\tlabel": TAB}
KNOWN_BY_HEADER = (PATH, COMMA, *HEADERS.values())


def list_form(lines: Iterable[str], *, source: str, on_disk: Callable[[str], bool]) -> ListForm:
    """The form of a list without a header: the one in which its lines name what is on disk.

    Args:
        lines: without comments and line ends.
        source: the list's name, for errors.
        on_disk: whether a path of the list is.

    Raises:
        InputError: no line names a video in any form, two forms name different ones, or a video has several labels.
    """
    forms, first, found, unsure = list(FORMS), "", 0, ""
    for line in lines:
        first = first or line
        readings = {form.name: form.read(line) for form in forms}
        present = {reading: on_disk(reading[0]) for reading in set(readings.values()) if reading is not None}
        holding = [form for form in forms if (reading := readings[form.name]) is not None and present[reading]]
        if holding:
            found, forms = found + 1, holding
            unsure = unsure or (line if len({readings[form.name] for form in holding}) > 1 else "")
        if len(forms) == 1 or (found >= MOST_LINES and not unsure):
            break
    if not found:
        raise _no_form(first, source=source)
    if unsure and not _same(forms, unsure):
        names = " and ".join(f"'{form.name}'" for form in {form.read(unsure): form for form in reversed(forms)}.values())
        raise InputError(
            expected=f"lines of {source} that can be read in one way",
            got=f"'{_short(unsure)}', which names files on disk both as {names}",
            hint="Write a first line 'path' or 'path,label' into the list; docs/data.md shows the forms.",
        )
    if forms[0] is SEVERAL:
        if (reading := SEVERAL.read(line)) is not None and " " not in reading[1]:
            raise InputError(
                expected=f"path and label with the same separator in all lines of {source}",
                got=f"'{_short(first)}' and '{_short(line)}'",
                hint="Separate them by a comma, a blank or a tab, the same in every line.",
            )
        raise InputError(
            expected=f"one label for each video of {source}, whose first line is '{_short(first)}'",
            got="several numbers after a video",
            hint="Keep one label a line, or the paths alone to train without labels.",
        )
    return forms[0]


def refuse_header(lines: Iterable[str], *, form: ListForm, source: str, on_disk: Callable[[str], bool]) -> None:
    """A first line that alone names nothing on disk, and no video by its suffix, is a header in other words than ours.

    Raises:
        InputError: it is.
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
            hint=f"Write '{form.name}' in its place." if form in KNOWN_BY_HEADER else "Delete the line.",
        )


def _same(forms: list[ListForm], line: str) -> bool:
    """Whether these forms need no choice: they read the line alike, or START decides (see FORMS)."""
    return len({form.read(line) for form in forms}) == 1 or forms[0] is START


def _no_form(first: str, *, source: str) -> InputError:
    forms = ", ".join(f"'{form.name}'" for form in FORMS if form is not SEVERAL)
    return InputError(
        expected=f"{source} to name videos below data.root, one a line: {forms}, or a first line 'path,label'",
        got=f"no line that names one; the first is '{_short(first)}'",
        hint="Set data.root=DIR to the folder where the paths of the list start, or correct the list.",
    )


def _short(line: str) -> str:
    printable = "".join(letter if letter.isprintable() or "\udc80" <= letter <= "\udcff" else "?" for letter in line)
    return printable if len(printable) <= 200 else f"{printable[:200]}..."
