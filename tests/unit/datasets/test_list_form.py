"""Which form a list has, by what is on disk. The expected forms are written down by hand from what these projects' readers take."""

from __future__ import annotations

import pytest

from vclr_pl.datasets.list_form import MOST_LINES, list_form
from vclr_pl.types import InputError

ON_DISK = {"v.mp4", "w 1.mp4", "a, b.mp4", "frames", "frames 1", "solo 2", 'quo"te.mp4', '"q".mp4', "clip"}


def form(*lines):
    return list_form(lines, source="list.txt", on_disk=ON_DISK.__contains__)


@pytest.mark.parametrize(
    ("line", "name", "reading"),
    [
        ("w 1.mp4", "path", ("w 1.mp4", "")),
        ("a, b.mp4", "path", ("a, b.mp4", "")),
        ('quo"te.mp4', "path", ('quo"te.mp4', "")),
        ('"q".mp4', "path", ('"q".mp4', "")),
        ("w 1.mp4 3", "path label", ("w 1.mp4", "3")),
        ('quo"te.mp4 3 ', "path label", ('quo"te.mp4', "3")),
        ('"w 1.mp4" 3', "path label", ("w 1.mp4", "3")),
        ("a, b.mp4,3", "path,label", ("a, b.mp4", "3")),
        ('"a, b.mp4",brush hair', "path,label", ("a, b.mp4", "brush hair")),
        ("v.mp4\tbrush hair", "path<tab>label", ("v.mp4", "brush hair")),
        ("clip 12 3", "path frames label", ("clip", "3")),
        ("clip 1 117", "path start total", ("clip", "")),
        ("v.mp4 0 -1", "path start total", ("v.mp4", "")),
        ("v.mp4,0,-1", "path start total", ("v.mp4", "")),
    ],
)
def test_each_form(line, name, reading):
    found = form(line)
    assert (found.name, found.read(line)) == (name, reading)


def test_a_later_line_decides():
    assert form("v.mp4", "gone.mp4 2", "v.mp4 1").name == "path label"
    assert form("frames 1", "solo 2").name == "path"  # the first is a folder of its own, or `frames` with label 1
    assert form("frames 1", "v.mp4 1").name == "path label"
    assert form("clip 1 7", "clip 20 7").name == "path frames label"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["gone.mp4 0"], "the first is 'gone.mp4 0'"),
        (["frames 1"], "both as 'path' and 'path label'"),
        (["v.mp4 1 2"], "several numbers after a video"),
        (["x" * 1000], f"the first is '{'x' * 200}...'"),
        (["a\x1b[31m\x07b"], r"the first is 'a\?\[31m\?b'"),
    ],
)
def test_what_fits_none_or_two(lines, told):
    with pytest.raises(InputError, match=told):
        form(*lines)


def test_a_long_list_is_not_read_to_its_end():
    asked = []
    found = list_form((f"{number}.mp4" for number in range(10**6)), source="list.txt", on_disk=lambda path: asked.append(path) or True)
    assert (found.name, len(asked)) == ("path", MOST_LINES)
