"""Entries of a list: where they may lead, and whether they are on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vclr_pl.data.split.listed_video import inside_root, list_lines, listed_manifest, present
from vclr_pl.types import InputError


@pytest.mark.parametrize("entry", ["../secret.mp4", "/etc/passwd", "a/../../data2/x.mp4", "..", "a/../.."])
def test_no_entry_leads_out_of_the_root(entry):
    with pytest.raises(InputError, match=r"data\.allow_outside_root=true"):
        inside_root(entry, root=Path("/data"), source="list.csv", allow_outside_root=False)
    inside_root(entry, root=Path("/data"), source="list.csv", allow_outside_root=True)


@pytest.mark.parametrize(
    ("entry", "expected"), [("a b.mp4", "/data/a b.mp4"), ("/data/x.mp4", "/data/x.mp4"), ("a/../b..mp4", "/data/b..mp4")]
)
def test_entries_inside_the_root(entry, expected):
    assert inside_root(entry, root=Path("/data"), source="list.csv", allow_outside_root=False) == expected


def test_a_reencoded_copy_or_its_frames_stand_for_the_original(tmp_path):
    (tmp_path / "1.mp4").touch()
    (tmp_path / "2").mkdir()
    assert present(str(tmp_path / "1.avi")) == str(tmp_path / "1.mp4")
    assert present(str(tmp_path / "2.avi")) == str(tmp_path / "2")
    assert present(str(tmp_path / "3.avi")) is None


def manifest(entries, root):
    return listed_manifest(entries, root=root, source="trainlist01.txt", allow_outside_root=False, class_names=("a", "b"))


def test_absent_videos_are_counted_and_the_first_is_named(tmp_path):
    (tmp_path / "1.mp4").touch()
    entries = [("1.mp4", 0), ("2.mp4", 1), ("3.mp4", 1)]
    with pytest.raises(
        InputError, match=r"the 3 videos that trainlist01.txt names; got 2 absent, the first is '.*/2\.mp4'\. Set data\.root=DIR"
    ):
        manifest(entries, tmp_path)
    assert manifest(entries[:1], tmp_path)[0] == (str(tmp_path / "1.mp4"), {"label": 0})


def test_an_empty_list_is_told(tmp_path):
    with pytest.raises(InputError, match=r"videos in trainlist01\.txt; got an empty list"):
        manifest([], tmp_path)


def test_lines_keep_odd_bytes_and_lose_line_ends(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfa b.mp4\r\n\n  \nlatin-\xe9.avi\n last.mp4")
    assert list(list_lines(path)) == ["a b.mp4", os.fsdecode(b"latin-\xe9.avi"), " last.mp4"]
